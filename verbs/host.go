package verbs

import "context"

func init() { register("Host", nil, newHost) }

func newHost() *command {
	return &command{
		name: "Host", synopsis: "Runs the host daemon of this computer in the foreground.",
		notes: "One JSON line on standard output says address, port, fingerprint and pid once it takes requests. It serves its own user. " +
			"Nothing depends on it but reachability: it can be stopped and started while sessions run. host.toml holds the same settings; flags override it. " +
			"A cmdlet aimed at localhost starts a host by itself.",
		params: []param{
			{Parameter{Name: "Listen", Kind: KindValue}, "HOST:PORT; port 0 picks a free one", "127.0.0.1:0"},
			{Parameter{Name: "Lease", Kind: KindValue}, "silence after which a client counts as lost", "30s"},
			{Parameter{Name: "Embedded", Kind: KindSwitch}, "end by itself when it has nothing left to do", "off"},
			{Parameter{Name: "Linger", Kind: KindValue}, "how long an embedded host waits for the next session", "60s"},
		},
		examples: []example{{"pss host --listen 0.0.0.0:5986", "serve this computer"}},
		run: func(ctx context.Context, rt *Runtime, in *input) error {
			return rt.HostRole(ctx, HostSettings{
				Listen: in.String("listen"), Embedded: in.Bool("embedded"), Linger: in.String("linger"), Lease: in.String("lease"),
			})
		},
	}
}

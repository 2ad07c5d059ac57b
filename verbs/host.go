package verbs

import "context"

func init() { register("Host", nil, newHost) }

func newHost() *command {
	return &command{
		name: "Host", synopsis: "Runs the host daemon of this computer in the foreground.",
		notes: "One JSON line on standard output says address, port, fingerprint and pid once it takes requests. Run by root it serves all users of the computer, otherwise its own user only: Serves in that line says whom, * is everybody. " +
			"Nothing depends on it but reachability: it can be stopped and started while sessions run. host.toml holds the same settings; flags override it. " +
			"A cmdlet aimed at localhost starts a host by itself. pss host rotate changes its key, pss host passwd a password (pss help host rotate, pss help host passwd).",
		params: []param{
			value("Listen", "where requests are taken; port 0 picks a free one, none: only ssh and its own user reach it").takes(notEmpty("HOST:PORT")).byDefault("127.0.0.1:0"),
			value("Lease", "silence after which a client counts as lost").byDefault("30s"),
			flag("System", "serve all users of this computer, as root: /etc/pss, /var/lib/pss and /run/pss are its folders, and it listens on port 5986"),
			flag("Embedded", "end by itself when it has nothing left to do"),
			value("Linger", "how long an embedded host waits for the next session").byDefault("60s"),
			flag("Worker", "be the process by which this computer's daemon reaches this user's host; the daemon starts it"),
			flag("Stdio", "be the far end of an ssh: join standard input and output to this user's host, which is started if it does not run"),
			value("Hello", "with --stdio: the number that the other end waits for").byDefault("none"),
			value("Heartbeat", "with --stdio: the pace of signs of life; without any for six times as long it ends").byDefault("10s"),
		},
		examples: []example{{command: "pss host --listen 0.0.0.0:5986", says: "serve this computer"}},
		run: func(ctx context.Context, rt *Runtime, in *input) error {
			return rt.HostRole(ctx, HostSettings{
				Listen: in.String("listen"), System: in.Bool("system"), Embedded: in.Bool("embedded"), Linger: in.String("linger"), Lease: in.String("lease"),
				Stdio: in.Bool("stdio"), Worker: in.Bool("worker"), Hello: in.String("hello"), Heartbeat: in.String("heartbeat"),
			})
		},
	}
}

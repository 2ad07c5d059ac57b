package verbs

import "context"

func init() { register("Host rotate", nil, newHostRotate) }

// HostKey is what pss host rotate prints: the fingerprints of the host's keys.
type HostKey struct {
	Fingerprint string `table:"Fingerprint"`
	Next        string `table:"Next"`
	Past        string `table:"Past"`
}

func newHostRotate() *command {
	return &command{
		name: "Host rotate", synopsis: "Changes the key of this computer's host without breaking the trust of its clients.",
		notes: "It makes the next key, which the host announces from then on to every client that it knows: those that remember its present key remember both. " +
			"--finish puts the next key in the place of the present one, which stays announced. A client that was not there in between is refused then, with both fingerprints. " +
			"Clients that have the fingerprint in config.toml or PSS_FINGERPRINT get a warning with the new line. A running host notices within a second; sessions go on. " +
			"It may be repeated: without --finish it prints the next key that is there. A certificate_file of host.toml is yours to change: next_certificate_file announces its next key.",
		params:   []param{flag("Finish", "switch to the next key")},
		examples: []example{{command: "pss host rotate", says: "begin"}, {command: "pss host rotate --finish", says: "weeks later"}},
		prints:   HostKey{},
		run: func(ctx context.Context, rt *Runtime, in *input) error {
			k, err := rt.RotateKey(ctx, in.Bool("finish"))
			if err != nil {
				return err
			}
			return rt.write([]HostKey{k})
		},
	}
}

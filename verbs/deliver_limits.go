package verbs

import "time"

// cancelTimeout is how long a command that was stopped is waited for; 0: until it ends.
func (d *delivery) cancelTimeout() time.Duration {
	if ms := d.limits.Get().CancelTimeout; ms != nil {
		return time.Duration(*ms) * time.Millisecond
	}
	return 0
}

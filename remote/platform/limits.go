package platform

// TasksPerSession is how many processes and threads a session needs: measured are 7 to 9
// of its session host, one of its shell, and what its command starts.
const TasksPerSession = 12

// filesPerSession is how many descriptors a session that is in use takes in the daemon.
const filesPerSession = 4

// Limit is a bound of the computer on how many sessions it can hold.
type Limit struct {
	Name       string // as the administrator knows it: "kernel.pid_max"
	Value      int64
	PerSession int64 // how much of it a session takes
}

// Shortage is a limit that fewer sessions fit in than are allowed.
type Shortage struct {
	Limit
	Sessions int64 // that fit
}

// Shortages returns the limits that so many sessions do not fit in.
func Shortages(limits []Limit, sessions int) []Shortage {
	var short []Shortage
	for _, l := range limits {
		if fit := l.Value / l.PerSession; fit < int64(sessions) {
			short = append(short, Shortage{l, fit})
		}
	}
	return short
}

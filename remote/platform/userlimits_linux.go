package platform

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// limitFiles are where a system says which limits its users get, as pam_limits(8) reads
// them: the last one that speaks of a user wins.
var limitFiles = []string{"/etc/security/limits.conf", "/etc/security/limits.d/*.conf"}

// limitItems are the items of limits.conf(5): their resource and the unit of their values.
var limitItems = map[string]struct {
	resource int
	unit     uint64
}{
	"core": {unix.RLIMIT_CORE, 1024}, "data": {unix.RLIMIT_DATA, 1024}, "fsize": {unix.RLIMIT_FSIZE, 1024},
	"memlock": {unix.RLIMIT_MEMLOCK, 1024}, "nofile": {unix.RLIMIT_NOFILE, 1}, "rss": {unix.RLIMIT_RSS, 1024},
	"stack": {unix.RLIMIT_STACK, 1024}, "cpu": {unix.RLIMIT_CPU, 60}, "nproc": {unix.RLIMIT_NPROC, 1},
	"as": {unix.RLIMIT_AS, 1024}, "locks": {unix.RLIMIT_LOCKS, 1}, "sigpending": {unix.RLIMIT_SIGPENDING, 1},
	"msgqueue": {unix.RLIMIT_MSGQUEUE, 1}, "rtprio": {unix.RLIMIT_RTPRIO, 1},
}

// UserLimits returns the limits that a login of the user would have: those of the
// system's first process, changed by limits.conf.
func UserLimits(user string, groups []string) []UserLimit {
	base := map[int]unix.Rlimit{}
	for _, item := range limitItems {
		var l unix.Rlimit
		if unix.Prlimit(1, item.resource, nil, &l) == nil {
			base[item.resource] = l
		}
	}
	var text strings.Builder
	for _, pattern := range limitFiles {
		files, _ := filepath.Glob(pattern) // sorted; the pattern is ours
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err == nil {
				text.Write(data)
				text.WriteByte('\n')
			}
		}
	}
	return applyLimits(base, text.String(), user, groups)
}

// applyLimits changes base by the lines of a limits.conf that speak of the user. A line
// for the user goes before one for a group, and that before one for everybody; among
// equals the last one counts.
func applyLimits(base map[int]unix.Rlimit, text, user string, groups []string) []UserLimit {
	type key struct {
		resource int
		hard     bool
	}
	rank := map[key]int{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) != 4 {
			continue
		}
		item, known := limitItems[f[2]]
		value, ok := limitValue(f[3], item.unit)
		r := domainRank(f[0], user, groups)
		if !known || !ok || r == 0 {
			continue
		}
		l := base[item.resource]
		for _, hard := range []bool{false, true} {
			if word := map[bool]string{false: "soft", true: "hard"}[hard]; f[1] != "-" && f[1] != word {
				continue
			}
			if k := (key{item.resource, hard}); r < rank[k] {
				continue
			} else if rank[k] = r; hard {
				l.Max = value
			} else {
				l.Cur = value
			}
		}
		base[item.resource] = l
	}
	limits := make([]UserLimit, 0, len(base))
	for resource, l := range base {
		limits = append(limits, UserLimit{Resource: resource, Soft: min(l.Cur, l.Max), Hard: l.Max})
	}
	slices.SortFunc(limits, func(a, b UserLimit) int { return a.Resource - b.Resource })
	return limits
}

// domainRank tells how closely a domain of limits.conf names the user; 0: not at all. What
// is said of groups and of everybody is not said of root.
func domainRank(domain, user string, groups []string) int {
	switch {
	case domain == user:
		return 3
	case user == "root":
		return 0
	case strings.HasPrefix(domain, "@") && slices.Contains(groups, domain[1:]):
		return 2
	case domain == "*":
		return 1
	}
	return 0
}

func limitValue(text string, unit uint64) (uint64, bool) {
	if text == "-1" || text == "unlimited" || text == "infinity" {
		return unix.RLIM_INFINITY, true
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || unit > 0 && n > unix.RLIM_INFINITY/unit {
		return 0, false
	}
	return n * unit, true
}

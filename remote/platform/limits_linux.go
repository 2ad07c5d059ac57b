package platform

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// TaskLimits returns the computer's limits on processes, threads and open files that
// hold for process pid and for what it starts. One that cannot be read is left out.
func TaskLimits(pid int) []Limit {
	var limits []Limit
	for _, name := range []string{"kernel.pid_max", "kernel.threads-max"} {
		if n, ok := readNumber(filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))); ok {
			limits = append(limits, Limit{name, n, TasksPerSession})
		}
	}
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	groups, _ := os.ReadFile(filepath.Join(proc, "cgroup"))
	limits = append(limits, groupLimits("/sys/fs/cgroup", groups)...)
	text, _ := os.ReadFile(filepath.Join(proc, "limits"))
	return append(limits, resourceLimits(text)...)
}

// resourceLimits reads the hard limits of the text of /proc/PID/limits.
func resourceLimits(text []byte) []Limit {
	var limits []Limit
	for line := range strings.Lines(string(text)) {
		for _, r := range []struct {
			begins, name string
			per          int64
		}{{"Max processes", "RLIMIT_NPROC", TasksPerSession}, {"Max open files", "RLIMIT_NOFILE", filesPerSession}} {
			rest, ok := strings.CutPrefix(line, r.begins)
			f := strings.Fields(rest) // soft limit, hard limit, unit
			if !ok || len(f) < 2 {
				continue
			}
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil { // "unlimited" is none
				limits = append(limits, Limit{r.name, n, r.per})
			}
		}
	}
	return limits
}

// groupLimits returns the limits on tasks of a control group and of those above it;
// groups is the text of /proc/self/cgroup, and root where they are mounted.
func groupLimits(root string, groups []byte) []Limit {
	var limits []Limit
	for line := range bytes.Lines(groups) {
		f := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		if len(f) < 3 {
			continue
		}
		mount := root
		switch {
		case f[1] == "pids": // the first version
			mount = filepath.Join(root, "pids")
		case f[0] != "0":
			continue
		}
		for dir := path.Clean("/" + f[2]); ; dir = path.Dir(dir) {
			file := filepath.Join(mount, dir, "pids.max")
			if n, ok := readNumber(file); ok { // "max" is none
				limits = append(limits, Limit{file, n, TasksPerSession})
			}
			if dir == "/" {
				break
			}
		}
	}
	return limits
}

func readNumber(file string) (int64, bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil
}

package engine

import (
	"bytes"
	"os"
	"strconv"
)

// Usage returns how many processes the runspace has, its shell included, and how
// many bytes of memory are theirs alone: neither files nor what a fork shares count.
func (rs *runspace) Usage() (processes int, memory int64) {
	all := rs.family.members()
	for _, p := range all {
		status, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/status")
		if err != nil {
			continue // it has just ended
		}
		for _, key := range []string{"\nRssAnon:", "\nRssShmem:"} {
			if _, rest, ok := bytes.Cut(status, []byte(key)); ok {
				if f := bytes.Fields(rest); len(f) > 0 {
					kb, _ := strconv.ParseInt(string(f[0]), 10, 64)
					memory += kb << 10
				}
			}
		}
	}
	return len(all), memory
}

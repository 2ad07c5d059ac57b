package platform

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

func TestApplyLimits(t *testing.T) {
	const text = `
# <domain> <type> <item> <value>
*       soft  nofile  2048
alice   -     nofile  4096
@devs   hard  nproc   100   # of the group
*       hard  nproc   50
bob     hard  core    0
*       soft  stack   oops
root    soft  nofile  9
alice   soft  nonsense 1
*       -     memlock unlimited
short line
`
	base := func() map[int]unix.Rlimit {
		return map[int]unix.Rlimit{
			unix.RLIMIT_NOFILE: {Cur: 1024, Max: 8192}, unix.RLIMIT_NPROC: {Cur: 1000, Max: 1000},
			unix.RLIMIT_CORE: {Cur: 7, Max: 7}, unix.RLIMIT_MEMLOCK: {Cur: 1, Max: 1},
		}
	}
	for _, c := range []struct {
		user   string
		groups []string
		want   map[int][2]uint64
	}{
		{"alice", []string{"devs"}, map[int][2]uint64{
			unix.RLIMIT_NOFILE: {4096, 4096}, unix.RLIMIT_NPROC: {100, 100}, unix.RLIMIT_CORE: {7, 7},
			unix.RLIMIT_MEMLOCK: {unix.RLIM_INFINITY, unix.RLIM_INFINITY},
		}},
		{"bob", nil, map[int][2]uint64{
			unix.RLIMIT_NOFILE: {2048, 8192}, unix.RLIMIT_NPROC: {50, 50}, unix.RLIMIT_CORE: {0, 0},
			unix.RLIMIT_MEMLOCK: {unix.RLIM_INFINITY, unix.RLIM_INFINITY},
		}},
		{"root", []string{"devs"}, map[int][2]uint64{
			unix.RLIMIT_NOFILE: {9, 8192}, unix.RLIMIT_NPROC: {1000, 1000}, unix.RLIMIT_CORE: {7, 7}, unix.RLIMIT_MEMLOCK: {1, 1},
		}},
	} {
		got := map[int][2]uint64{}
		for _, l := range applyLimits(base(), text, c.user, c.groups) {
			got[l.Resource] = [2]uint64{l.Soft, l.Hard}
		}
		assert.Equal(t, c.want, got, c.user)
	}
}

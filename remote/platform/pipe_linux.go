package platform

import (
	"os"

	"golang.org/x/sys/unix"
)

// pipeSize is what a pipe of an unprivileged user may hold at most by default.
const pipeSize = 1 << 20

// WidenPipe lets a pipe hold more, where f is one: fewer turns between its two ends. A
// smaller one is slower, not wrong.
func WidenPipe(f *os.File) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
}

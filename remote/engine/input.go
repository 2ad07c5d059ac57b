//go:build unix

package engine

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// input is the write end of a command's standard input.
//
// A FIFO's open waits for the other side, and so neither side can come too early:
// a goroutine opens ours while the shell opens its own. Until the script began we
// hold a read end as well, so that what was written survives a first attempt that
// came to nothing.
type input struct {
	path  string
	begun func() bool
	ready chan struct{} // closed when the write end is there, or never will be
	once  sync.Once

	mu     sync.Mutex // above what follows
	w      *os.File
	r      int // -1
	kept   int // a write end of a second attempt that has no input left to come; -1
	closed bool
	over   bool
}

func newInput(path string, begun func() bool) (*input, error) {
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return nil, fmt.Errorf("make input: %w", err)
	}
	return &input{path: path, begun: begun, ready: make(chan struct{}), r: -1, kept: -1}, nil
}

// open waits for the shell to open its side. Later calls serve a second attempt.
func (in *input) open() {
	defer in.once.Do(func() { close(in.ready) })
	fd, err := -1, error(unix.EINTR)
	for err == unix.EINTR {
		fd, err = unix.Open(in.path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed && !in.over { // a second attempt needs a writer until it began
		in.keepLocked(fd)
		return
	}
	if in.over || in.w != nil {
		_ = unix.Close(fd)
		return
	}
	_ = unix.SetNonblock(fd, true)
	in.w = os.NewFile(uintptr(fd), in.path)
	if in.r, err = unix.Open(in.path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
		in.r = -1
	}
}

// keepLocked holds a write end until the script began.
func (in *input) keepLocked(fd int) {
	if in.kept >= 0 {
		_ = unix.Close(in.kept)
	}
	in.kept = fd
}

// settle gives up our read end once the script began: then a broken pipe is the
// command's doing and can be told to the writer.
func (in *input) settle() {
	if !in.begun() {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.dropLocked()
}

func (in *input) dropLocked() {
	if in.r >= 0 {
		_ = unix.Close(in.r)
		in.r = -1
	}
	if in.kept >= 0 {
		_ = unix.Close(in.kept)
		in.kept = -1
	}
}

// Write blocks while the command does not read.
func (in *input) Write(b []byte) (int, error) {
	<-in.ready
	in.settle()
	in.mu.Lock()
	w, over, closed := in.w, in.over, in.closed
	in.mu.Unlock()
	switch {
	case closed && !over:
		return 0, os.ErrClosed
	case over || w == nil:
		return 0, syscall.EPIPE
	}
	n, err := w.Write(b)
	if err != nil {
		err = syscall.EPIPE
	}
	return n, err
}

// Close is the command's end-of-file.
func (in *input) Close() error {
	<-in.ready
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	if in.w != nil {
		_ = in.w.Close()
		in.w = nil
	}
	return nil
}

// release ends the input with the command, whether the shell opened it or not.
func (in *input) release() {
	in.mu.Lock()
	in.over = true
	if in.w != nil {
		_ = in.w.Close()
		in.w = nil
	}
	in.dropLocked()
	in.mu.Unlock()
	select {
	case <-in.ready:
		return
	default:
	}
	in.unblock()
}

// unblock lets an open return for which the shell never came.
func (in *input) unblock() {
	if fd, err := unix.Open(in.path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
		<-in.ready
		_ = unix.Close(fd)
	}
}

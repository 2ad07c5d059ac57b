package host

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
)

// append adds a whole line with one write, so that no reader and no second writer sees
// half of one, and puts the file aside before it becomes larger than most bytes.
func (a *auditFile) append(line []byte, most int64, keep int) error {
	if err := a.open(); err != nil {
		return err
	}
	if a.size > 0 && a.size+int64(len(line)) > most {
		if err := a.rotate(keep); err != nil {
			return err
		}
	}
	n, err := a.f.Write(line)
	a.size += int64(n)
	if err == nil {
		return nil
	}
	// A full disk takes half of a line. Nobody shall find that, nor a line behind it.
	if n > 0 && a.f.Truncate(a.size-int64(n)) == nil {
		a.size -= int64(n)
	}
	return err
}

// open opens the file if it is not open, or if another one has its name by now.
func (a *auditFile) open() error {
	if a.f != nil {
		is, err := a.f.Stat()
		if err != nil {
			a.close()
		} else if named, err := os.Lstat(a.path); err != nil || !os.SameFile(is, named) {
			a.close()
		}
	}
	if a.f != nil {
		return nil
	}
	f, err := os.OpenFile(a.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New(a.path + " is no file")
	}
	if err == nil {
		err = a.mend(f, st.Size())
	}
	if err != nil {
		f.Close()
		return err
	}
	if st, err = f.Stat(); err != nil {
		f.Close()
		return err
	}
	a.f, a.size = f, st.Size()
	return nil
}

// mend ends the line that a host left half when its computer was switched off.
func (a *auditFile) mend(f *os.File, size int64) error {
	last := []byte{'\n'}
	if size > 0 {
		if _, err := f.ReadAt(last, size-1); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	if last[0] == '\n' {
		return nil
	}
	_, err := f.WriteString("\n")
	return err
}

// rotate puts the file aside as path.1, and drops the oldest of more than keep.
func (a *auditFile) rotate(keep int) error {
	a.close()
	name := func(i int) string {
		if i == 0 {
			return a.path
		}
		return a.path + "." + strconv.Itoa(i)
	}
	// A smaller audit_keep than before leaves no others behind.
	for i := keep; ; i++ {
		if err := os.Remove(name(i)); errors.Is(err, fs.ErrNotExist) && i > keep {
			break
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for i := keep - 1; i >= 0; i-- {
		if err := os.Rename(name(i), name(i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return a.open()
}

func (a *auditFile) close() {
	if a.f != nil {
		a.f.Close()
		a.f = nil
	}
}

//go:build !linux

package spool

import "os"

// writeRecord writes h and data behind one another at off. The header comes last:
// a crash in between leaves no header, so no frame.
func writeRecord(f *os.File, h, data []byte, off int64) error {
	if _, err := f.WriteAt(data, off+int64(len(h))); err != nil {
		return err
	}
	_, err := f.WriteAt(h, off)
	return err
}

package platform

import (
	"os"
	"runtime"
)

// SyncDir makes names in dir survive a loss of power, where the system can.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

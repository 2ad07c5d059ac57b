package sessionhost

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"pss/remote/api"
	"pss/remote/platform"
)

func digestOf(cmd *api.Command) string {
	data, _ := json.Marshal(cmd) // strings and slices of strings only
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

func firstLine(s string) string {
	for i, c := range s {
		if c == '\n' {
			return s[:i] + " …"
		}
	}
	return s
}

// diskError names what a full disk means for the caller.
func diskError(err error) error {
	var e *api.Error
	if errors.As(err, &e) && e.Code != api.CodeDiskFull {
		return e
	}
	if e != nil || platform.DiskFull(err) {
		return api.Errorf(api.CodeDiskFull, "the host's disk is full: %v", err).
			Hint("make room on the host, or remove sessions whose output is not needed (pss remove-pssession); what was spooled can be received")
	}
	return err
}

package host

import (
	"errors"
	"io/fs"
	"os"
	"slices"

	"pss/config"
	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/platform"
)

// Rotation is what became of a change of the host's key.
type Rotation struct {
	Fingerprint string // of the present key
	Next        string `json:",omitempty"` // of that which comes next
	Past        string `json:",omitempty"` // of that which it had before
}

// Rotate makes the host's next key, which is announced from then on, or with finish
// puts it in the place of the present one. Both may be repeated. A running host notices
// within a second.
func Rotate(o Options, finish bool) (*Rotation, error) {
	if o.Config.CertificateFile != "" {
		return nil, api.Errorf(api.CodeInvalidState, "the host's certificate is not its own: host.toml has certificate_file").WithID("CertificateNotOwn").
			Hint("announce the next one with next_certificate_file, and replace the files later; one of an authority needs neither")
	}
	if err := o.Paths.Prepare(); err != nil {
		return nil, err
	}
	lock, err := platform.TakeLock(o.Paths.HostDir() + "/cert-lock")
	if err != nil {
		return nil, api.Errorf(api.CodeConflict, "the host's key is changed by somebody else: %v", err).Hint("try again")
	}
	defer lock.Unlock()
	now, err := leafOf(o.Paths.HostCertificate())
	if err != nil {
		return nil, api.Errorf(api.CodeInvalidState, "the host has no certificate yet: %v", err).WithID("NoCertificate").Hint("it makes one when it first starts: pss host")
	}
	r := &Rotation{Fingerprint: client.Fingerprint(now)}
	next, err := leafOf(o.Paths.HostNextCertificate())
	missing := errors.Is(err, fs.ErrNotExist)
	if missing && !finish {
		if err := makeCertificate(o.Paths.HostNextCertificate()); err != nil {
			return nil, err
		}
		next, err = leafOf(o.Paths.HostNextCertificate())
	}
	switch {
	case missing && finish:
		return nil, api.Errorf(api.CodeInvalidState, "the host has no next key").WithID("NoNextKey").
			Hint("make it with pss host rotate; finish when every client has been there since")
	case err != nil:
		return nil, err
	}
	r.Next = client.Fingerprint(next)
	if !finish {
		return r, nil
	}
	return r, r.finish(o.Paths)
}

// finish switches: what is past is known before it is.
func (r *Rotation) finish(paths config.Paths) error {
	var past []string
	if err := config.ReadJSON(paths.HostPastKeys(), &past); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !slices.Contains(past, r.Fingerprint) {
		past = append([]string{r.Fingerprint}, past...)
	}
	if err := config.WriteJSON(paths.HostPastKeys(), past[:min(len(past), maxPastKeys)]); err != nil {
		return err
	}
	r.Past, r.Fingerprint, r.Next = r.Fingerprint, r.Next, ""
	return os.Rename(paths.HostNextCertificate(), paths.HostCertificate())
}

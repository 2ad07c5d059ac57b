package install

import (
	"context"
	"os"
	"strings"

	"pss/config"
)

// record is what was added to the computer and stands in no folder that goes as a whole.
type record struct {
	Binary    string `json:",omitempty"` // that was installed where none was
	HostFile  string `json:",omitempty"` // the text of host.toml as it was made
	Lingering bool   `json:",omitempty"` // was enabled for the user
}

// readRecord reads what was added; nothing, if that is not known.
func (in *Installer) readRecord() *record {
	var r record
	if config.ReadJSON(in.Paths.InstallRecord(), &r) != nil {
		return &record{}
	}
	return &r
}

// writeRecord keeps it, in the daemon's own folder.
func (in *Installer) writeRecord(r *record) error {
	if err := in.folders(); err != nil {
		return err
	}
	return config.WriteJSON(in.Paths.InstallRecord(), r)
}

func (in *Installer) folders() error {
	if in.System {
		return in.Paths.PrepareSystem()
	}
	return in.Paths.Prepare()
}

// linger lets the services of a user run without a login.
func (in *Installer) linger(ctx context.Context, done *[]string, rec *record) error {
	if in.System {
		return nil
	}
	if out, err := in.Commands.Run(ctx, "loginctl", "show-user", in.User, "-p", "Linger"); err == nil && strings.Contains(out, "Linger=yes") {
		return nil
	}
	return in.step(done, "Enable lingering", in.User, func() error {
		if _, err := in.Commands.Run(ctx, "loginctl", "--no-ask-password", "enable-linger", in.User); err != nil {
			in.Warn("the service ends with your last logout, because lingering could not be enabled: " + err.Error() +
				"; ask an administrator for: loginctl enable-linger " + in.User)
			return nil
		}
		rec.Lingering = true
		return in.writeRecord(rec)
	})
}

// unlinger undoes linger.
func (in *Installer) unlinger(ctx context.Context) error {
	_, err := in.Commands.Run(ctx, "loginctl", "--no-ask-password", "disable-linger", in.User)
	return err
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

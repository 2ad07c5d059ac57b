package agent

import (
	"errors"
	"os"
	"strings"

	"pss/remote/api"
)

// token returns what proves who we are. It is read again when its file changed.
func (k *computer) token() (string, error) {
	path := k.tokenFile()
	st, err := os.Stat(path)
	k.a.mu.Lock()
	known, changed := k.known, k.changed
	k.a.mu.Unlock()
	if err == nil && known != "" && st.ModTime().Equal(changed) {
		return known, nil
	}
	token, rerr := k.readToken(path)
	if err == nil && rerr == nil {
		k.a.mu.Lock()
		k.known, k.changed = token, st.ModTime()
		k.a.mu.Unlock()
	}
	return token, rerr
}

// tokenFile is where the token stands, or "" if there is none.
func (k *computer) tokenFile() string {
	switch {
	case k.local:
		return k.a.paths.HostToken()
	case k.usesToken():
		return k.conf.TokenFile
	}
	return ""
}

// usesToken reports whether a token of config.toml says who we are: not where somebody
// else, or another way, was asked for.
func (k *computer) usesToken() bool {
	return k.target.Authentication == api.MethodToken || k.conf.TokenFile != "" && k.target.IsBare()
}

func (k *computer) readToken(path string) (string, error) {
	if path == "" {
		if k.usesToken() {
			return "", api.Errorf(api.CodeAccessDenied, "there is no token of %s", k.shown()).On(k.shown()).
				Hint("write token_file into [computers.%s] of config.toml", k.shown())
		}
		return "", nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && k.local {
		return "", nil // the host makes it when it first starts
	}
	if err != nil {
		return "", api.Errorf(api.CodeAccessDenied, "the token of %s cannot be read: %v", k.shown(), err).On(k.shown()).
			Hint("correct token_file of [computers.%s] in config.toml", k.shown())
	}
	return strings.TrimSpace(string(b)), nil
}

package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"
	"pss/remote/api"
)

// maxSessionName is how many bytes the name of a session configuration may have: its
// file is named after it.
const maxSessionName = 200

// WriteSession writes the configuration's file in one step; what s does not give is
// built in. Values that no session could be made with are refused before. One caller
// may do this at a time.
func (p Paths) WriteSession(s *api.SessionConfiguration, minIdle int64) error {
	if err := CheckSessionName(s.Name); err != nil {
		return err
	}
	if err := checkSession(s, minIdle); err != nil {
		return api.Errorf(api.CodeInvalidArgument, "session configuration %s: %v", s.Name, err).WithID("InvalidValue").On(s.Name).
			Hint("give other values; nothing was changed")
	}
	file, err := p.sessionFile(s.Name)
	if err != nil {
		return err
	}
	if file == "" {
		file = s.Name + tomlSuffix
	}
	var b bytes.Buffer
	b.WriteString("# Written by pss (Set-PSSessionConfiguration); you may edit it: pss help about_Configuration\n")
	enc := toml.NewEncoder(&b)
	enc.Indent = ""
	if err := enc.Encode(s); err != nil {
		return err
	}
	path := filepath.Join(p.Configurations(), file)
	// TOML is text: other bytes of a script would not come back as they were.
	again := api.SessionConfiguration{Name: s.Name, File: s.File, BuiltIn: s.BuiltIn}
	if err := decode(path, b.String(), &again); err != nil || !reflect.DeepEqual(&again, s) {
		return api.Errorf(api.CodeInvalidArgument, "session configuration %s holds what is no text and cannot be kept in its file", s.Name).
			WithID("InvalidValue").On(s.Name).Hint("texts are UTF-8 without control characters; nothing was changed")
	}
	if err := os.MkdirAll(p.Configurations(), 0o700); err != nil {
		return unwritable(path, err)
	}
	if err := WriteFile(path, b.Bytes()); err != nil {
		return unwritable(path, err)
	}
	s.File = path
	return nil
}

// RemoveSession deletes the configuration's file. It reports whether there was one.
func (p Paths) RemoveSession(name string) (bool, error) {
	file, err := p.sessionFile(name)
	if err != nil || file == "" {
		return false, err
	}
	path := filepath.Join(p.Configurations(), file)
	if err := os.Remove(path); err != nil {
		return true, unwritable(path, err)
	}
	return true, nil
}

// SessionKnown reports whether there is a configuration of that name, and whether it
// has a file, readable or not.
func (p Paths) SessionKnown(name string) (known, hasFile bool, err error) {
	file, err := p.sessionFile(name)
	_, known = builtIn[strings.ToLower(name)]
	return known || file != "", file != "", err
}

// CheckSessionName refuses what cannot be the name of a session configuration, whose
// file is named after it.
func CheckSessionName(name string) error {
	bad := name == "" || len(name) > maxSessionName || strings.TrimSpace(name) != name || strings.HasPrefix(name, ".") ||
		strings.ContainsFunc(name, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._- ", r)
		})
	if !bad {
		return nil
	}
	return api.Errorf(api.CodeInvalidArgument, "%q cannot be the name of a session configuration", name).WithID("InvalidName").On(name).
		Hint("use letters, digits, dots, hyphens, underscores and blanks")
}

func unwritable(path string, err error) error {
	return api.Errorf(api.CodeAccessDenied, "the session configuration cannot be changed: %v", err).WithID("AccessDenied").On(path).
		Hint("only the user who owns %s can change it", filepath.Dir(path))
}

package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/argon2"
	"pss/config"
	"pss/remote/planted"
	"pss/remote/platform"
)

// The parameters of new passwords: OWASP's, of which two at once need 38 MiB.
const (
	argonTime    = 2
	argonMemory  = 19 << 10 // KiB
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16

	// MaxPassword bounds what is hashed.
	MaxPassword = 1024
	// maxPasswordFile bounds the file; a line is about 100 bytes.
	maxPasswordFile = 1 << 20
)

// hashing bounds the memory that strangers can make us use.
var hashing = make(chan struct{}, 2)

// Passwords is the password file: one line "user:$argon2id$…" for each user.
type Passwords struct{ Path string }

// Any reports whether the file has a user.
func (p Passwords) Any() bool {
	lines, err := p.read()
	return err == nil && len(lines) > 0
}

// Check reports whether the password is the user's. For a user without one it does the
// same work.
func (p Passwords) Check(ctx context.Context, user, password string) (bool, error) {
	if len(password) > MaxPassword {
		password, user = "", ""
	}
	lines, err := p.read()
	if err != nil {
		return false, err
	}
	h := hashed{time: argonTime, memory: argonMemory, threads: argonThreads, salt: make([]byte, argonSalt), key: make([]byte, argonKey)}
	found := false
	for _, line := range lines {
		name, text, _ := strings.Cut(line, ":")
		if name != user {
			continue
		}
		if h, err = parseHash(text); err != nil {
			return false, err
		}
		found = true
	}
	select {
	case hashing <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-hashing }()
	same := subtle.ConstantTimeCompare(h.of(password), h.key) == 1
	return (same || planted.On("any-password")) && found, nil
}

// Mark tells the user's password from every other one, an earlier one of the same text
// included; empty: the user has none. It tells nothing about the password.
func (p Passwords) Mark(user string) (string, error) {
	lines, err := p.read()
	if err != nil {
		return "", err
	}
	mark := ""
	for _, line := range lines {
		if name, text, _ := strings.Cut(line, ":"); name == user {
			sum := sha256.Sum256([]byte(text))
			mark = base64.RawStdEncoding.EncodeToString(sum[:])
		}
	}
	return mark, nil
}

// Set gives the user that password, in one step.
func (p Passwords) Set(user, password string) error {
	if password == "" || len(password) > MaxPassword {
		return fmt.Errorf("a password has 1 to %d bytes", MaxPassword)
	}
	h := hashed{time: argonTime, memory: argonMemory, threads: argonThreads, salt: make([]byte, argonSalt)}
	rand.Read(h.salt) // never fails
	h.key = make([]byte, argonKey)
	h.key = h.of(password)
	return p.change(user, user+":"+h.String())
}

// Delete takes the user's password away; false: there was none.
func (p Passwords) Delete(user string) (bool, error) {
	lines, err := p.read()
	if err != nil || !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, user+":") }) {
		return false, err
	}
	return true, p.change(user, "")
}

// change replaces the user's line, one at a time.
func (p Passwords) change(user, line string) error {
	lock, err := platform.TakeLock(p.Path + ".lock")
	if err != nil {
		return err
	}
	defer lock.Unlock()
	lines, err := p.read()
	if err != nil {
		return err
	}
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, user+":") })
	if line != "" {
		lines = append(lines, line)
	}
	text := strings.Join(lines, "\n")
	if text != "" {
		text += "\n"
	}
	return config.WriteFile(p.Path, []byte(text))
}

// read returns the lines; no file has none. A file that others may read or write is
// refused.
func (p Passwords) read() ([]string, error) {
	st, err := os.Lstat(p.Path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxPasswordFile {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", p.Path, maxPasswordFile)
	}
	if st.Mode().Perm()&0o077 != 0 && !planted.On("password-file-of-everybody") {
		return nil, fmt.Errorf("others may use %s (mode %04o): chmod 0600", p.Path, st.Mode().Perm())
	}
	data, err := os.ReadFile(p.Path)
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// hashed is a password as the file has it, in the PHC string format.
type hashed struct {
	time, memory uint32
	threads      uint8
	salt, key    []byte
}

func (h *hashed) of(password string) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, uint32(len(h.key)))
}

// String returns $argon2id$v=19$m=…,t=…,p=…$salt$key.
func (h *hashed) String() string {
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$%s$%s$%s", argon2.Version, h.costs(), enc(h.salt), enc(h.key))
}

func (h *hashed) costs() string {
	return fmt.Sprintf("m=%d,t=%d,p=%d", h.memory, h.time, h.threads)
}

// parseHash is the reverse of String, within bounds that no file of ours exceeds.
func parseHash(text string) (hashed, error) {
	var h hashed
	bad := errors.New("the password file has a line that is no $argon2id$v=19$…")
	f := strings.Split(text, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, bad
	}
	if n, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); err != nil || n != 3 || f[3] != h.costs() {
		return h, bad
	}
	if h.memory < 8 || h.memory > 256<<10 || h.time < 1 || h.time > 16 || h.threads < 1 || h.threads > 16 {
		return h, bad
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.DecodeString(f[4]); err != nil || len(h.salt) < 8 || len(h.salt) > 64 {
		return h, bad
	}
	if h.key, err = base64.RawStdEncoding.DecodeString(f[5]); err != nil || len(h.key) < 16 || len(h.key) > 64 {
		return h, bad
	}
	return h, nil
}

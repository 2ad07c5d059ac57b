package identity

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"pss/remote/planted"
	"pss/remote/platform"
)

const (
	// KeyFileCommand is the first argument of a process that runs ReadKeyFile as a user.
	KeyFileCommand = "authorized-keys"
	// DefaultKeyFile is below a user's home.
	DefaultKeyFile = ".ssh/authorized_keys"
	// readTime bounds that process: the home folder may be on a server that is away.
	readTime = 5 * time.Second
)

// AuthorizedKeys returns the keys in the account's own file. It is read by a process that
// runs as the user, because whoever may write below a folder may make its names lead
// anywhere. No file is no keys.
func AuthorizedKeys(ctx context.Context, a *Account, pattern string) ([]AuthorizedKey, error) {
	path, err := keyFilePath(a, pattern)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	uid := a.UID
	if planted.On("key-file-read-as-root") {
		uid = 0
	}
	cmd, err := platform.CommandAs(ctx, uid, a.GID, a.Groups, KeyFileCommand, path, a.Home)
	if err != nil {
		return nil, err
	}
	out, said := &bounded{max: maxKeyFile}, &bounded{max: 4 << 10}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, said, time.Second
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", path, err, strings.TrimSpace(said.String()))
	}
	return ParseAuthorizedKeys(out.Bytes())
}

// keyFilePath replaces %u, %h, %U and %% in the pattern; what is relative is below home.
func keyFilePath(a *Account, pattern string) (string, error) {
	if pattern == "" {
		pattern = DefaultKeyFile
	}
	var out strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' {
			out.WriteByte(pattern[i])
			continue
		}
		i++
		if i == len(pattern) {
			return "", errors.New("authorized_keys_file ends in %")
		}
		switch pattern[i] {
		case 'u':
			out.WriteString(a.Name)
		case 'h':
			out.WriteString(a.Home)
		case 'U':
			out.WriteString(strconv.FormatUint(uint64(a.UID), 10))
		case '%':
			out.WriteByte('%')
		default:
			return "", fmt.Errorf("authorized_keys_file: %%%c means nothing", pattern[i])
		}
	}
	path := out.String()
	if !filepath.IsAbs(path) {
		path = filepath.Join(a.Home, path)
	}
	if !filepath.IsAbs(path) {
		return "", errors.New("the user has no home folder")
	}
	return filepath.Clean(path), nil
}

// CheckKeyFilePattern fails if authorized_keys_file cannot be meant.
func CheckKeyFilePattern(pattern string) error {
	_, err := keyFilePath(&Account{Name: "a", Home: "/"}, pattern)
	return err
}

// ReadKeyFile is that process: it writes the file at path to standard output if OpenSSH's
// StrictModes lets it count. args are the path and the home folder; a file that is not
// there is empty.
func ReadKeyFile(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: %s PATH HOME", KeyFileCommand)
	}
	data, err := readStrictly(args[0], args[1])
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(data)
	return err
}

package verbs

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"strings"

	"pss/remote/api"
)

// findHosts finds computers that ssh reaches: those that were used before, and those
// that the user's ssh configuration names.
func findHosts(ctx context.Context, rt *Runtime, _ source, add func(text, says string)) {
	seen := map[string]bool{}
	once := func(name, says string) {
		if !seen[name] {
			seen[name] = true
			add(name, says)
		}
	}
	if home, err := os.UserHomeDir(); err == nil {
		for _, name := range sshConfigHosts(filepath.Join(home, ".ssh", "config")) {
			once(name, "of the ssh configuration")
		}
	}
	for _, ref := range known(ctx, rt).Computers {
		if t, ok := api.ParseSSHRef(ref); ok {
			once(t.Destination(), "used before")
		}
	}
}

// sshConfigHosts are the names after Host that are no patterns. A file that cannot be
// read has none.
func sshConfigHosts(path string) (names []string) {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.FieldsFunc(lines.Text(), func(r rune) bool { return r == ' ' || r == '\t' || r == '=' })
		if len(words) == 0 || !strings.EqualFold(words[0], "Host") {
			continue
		}
		for _, name := range words[1:] {
			if name = strings.Trim(name, `"`); !strings.ContainsAny(name, "*?!") {
				names = append(names, name)
			}
		}
	}
	return names
}

// hostsOf are the names of the computers of --host-name, as their sessions have them.
func hostsOf(hosts []string) []string {
	names := make([]string, 0, len(hosts))
	for _, h := range hosts {
		if t, err := api.ParseSSHHost(h); err == nil {
			names = append(names, t.Host)
		}
	}
	return names
}

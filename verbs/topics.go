package verbs

import (
	"embed"
	"sort"
	"strings"
)

// Topics are the long-form documentation, as PowerShell's about_ pages.
//
//go:embed about/*.txt
var aboutFiles embed.FS

// topics returns the names of all topics.
func topics() []string {
	entries, err := aboutFiles.ReadDir("about")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".txt"))
	}
	sort.Strings(names)
	return names
}

// topic prints one topic, found in any case.
func topic(rt *Runtime, name string) int {
	for _, t := range topics() {
		if strings.EqualFold(t, name) {
			data, err := aboutFiles.ReadFile("about/" + t + ".txt")
			if err != nil {
				return rt.fail(nil, err)
			}
			_, err = rt.Stdout.Write(data)
			return rt.fail(nil, err)
		}
	}
	return rt.fail(nil, usage("HelpNotFound", "there is no topic %q", name).Hint("topics: %s", strings.Join(topics(), ", ")))
}

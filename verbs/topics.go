package verbs

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

// Topics are the long-form documentation, as PowerShell's about_ pages. A folder
// below holds those that exist in another language.
//
//go:embed about
var aboutFiles embed.FS

// chinese is the folder of the topics in Traditional Chinese.
const chinese = "zh_TW/"

// topics returns the names of all topics.
func topics() []string {
	entries, err := aboutFiles.ReadDir("about")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".txt"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// topicText returns the text of a topic, in the wanted language if there is one.
func topicText(name, language string) (string, error) {
	if language != "" {
		if data, err := aboutFiles.ReadFile("about/" + language + name + ".txt"); err == nil {
			return string(data), nil
		}
	}
	data, err := aboutFiles.ReadFile("about/" + name + ".txt")
	return string(data), err
}

// topic prints the topic that name means, in any case, or lists those that a
// wildcard matches.
func topic(rt *Runtime, name string) int {
	language := languageOf(rt.Getenv)
	if HasWildcard(name) {
		return rt.fail(nil, listTopics(rt, name, language))
	}
	for _, t := range topics() {
		if strings.EqualFold(t, name) {
			text, err := topicText(t, language)
			if err == nil {
				_, err = fmt.Fprint(rt.Stdout, text)
			}
			return rt.fail(nil, err)
		}
	}
	e := usage("HelpNotFound", "there is no topic %q", name).Hint("pss help about_* lists the topics")
	if near := nearTopics(name); len(near) > 0 {
		e = e.Hint("did you mean %s? pss help about_* lists the topics", strings.Join(near, " or "))
	}
	return rt.fail(nil, e)
}

// nearTopics returns the topics that a wrong name was meant to be. What all names have
// in common says nothing about that.
func nearTopics(name string) []string {
	plain := func(t string) []string { return []string{strings.TrimPrefix(strings.ToLower(t), "about_")} }
	return nearest(plain(name)[0], topics(), plain)
}

// listTopics prints the topics that match, each with what it is about.
func listTopics(rt *Runtime, pattern, language string) error {
	found := false
	for _, t := range topics() {
		if !MatchWildcard(pattern, t) {
			continue
		}
		found = true
		text, err := topicText(t, language)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(rt.Stdout, "%-36s %s\n", t, shortDescription(text)); err != nil {
			return err
		}
	}
	if !found {
		return usage("HelpNotFound", "no topic matches %q", pattern).Hint("pss help about_* lists the topics")
	}
	return nil
}

// shortDescription is the first sentence of a topic below its title.
func shortDescription(text string) string {
	for i, part := range strings.Split(text, "\n\n") {
		if i == 0 || !strings.Contains(part, "\n") && isHeading(part) {
			continue
		}
		joint := " "
		if strings.Contains(part, "。") {
			joint = "" // between Chinese characters a line end is nothing
		}
		part = strings.ReplaceAll(part, "\n", joint)
		if first, _, ok := strings.Cut(part, "。"); ok {
			return first + "。"
		}
		first, _, _ := strings.Cut(part, ". ")
		return strings.TrimSuffix(first, ".") + "."
	}
	return ""
}

// isHeading reports whether a line of a topic is a heading: nothing but capitals, or a
// short line without an end of a sentence.
func isHeading(line string) bool {
	return line != "" && line[0] != ' ' && strings.ToUpper(line) == line && !strings.ContainsAny(line, ".:") && !strings.ContainsAny(line, "。：")
}

// languageOf returns the folder of the topics that the environment asks for; it is
// empty for English. As everywhere, LC_ALL goes before LC_MESSAGES before LANG.
func languageOf(getenv func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if locale := getenv(name); locale != "" {
			return languageFolder(locale)
		}
	}
	return ""
}

// languageFolder reads a locale such as zh_TW.UTF-8 or zh-Hant-HK. The topics are
// UTF-8: for a terminal with another encoding they are English.
func languageFolder(locale string) string {
	locale, _, _ = strings.Cut(locale, "@")
	locale, encoding, _ := strings.Cut(strings.ToLower(locale), ".")
	if encoding != "" && encoding != "utf-8" && encoding != "utf8" {
		return ""
	}
	parts := strings.FieldsFunc(locale, func(r rune) bool { return r == '_' || r == '-' })
	if len(parts) < 2 || parts[0] != "zh" {
		return ""
	}
	for _, part := range parts[1:] {
		switch part {
		case "hant", "tw", "hk", "mo":
			return chinese
		case "hans":
			return ""
		}
	}
	return ""
}

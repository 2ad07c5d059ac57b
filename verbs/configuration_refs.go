package verbs

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"

	"pss/format"
	"pss/remote/api"
)

func init() {
	registerKind(objectKind{
		owns: ownsConfigurations, fetch: fetchConfigurations,
		columns: []string{"Name", "PSVersion", "StartupScript", "RunAsUser", "Permission"},
	})
}

// ownsConfigurations tells session configurations: they have a Name and no Id, and
// nothing that they do not have.
func ownsConfigurations(labels []string) bool {
	known := reflect.TypeFor[configurationContainer]()
	for _, l := range labels {
		if _, ok := known.FieldByName(l); !ok {
			return false
		}
	}
	return len(labels) > 1 && slices.Contains(labels, "Name")
}

func fetchConfigurations(ctx context.Context, rt *Runtime, f *failures, text string) (any, error) {
	names, err := parseConfigurationNames(text)
	if err != nil {
		return nil, err
	}
	found := []api.SessionConfiguration{}
	if len(names) > 0 {
		if found, err = configurationsNamed(ctx, rt, f, names, true); err != nil {
			return nil, err
		}
	}
	place := func(c api.SessionConfiguration) int {
		return slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, c.Name) })
	}
	slices.SortStableFunc(found, func(a, b api.SessionConfiguration) int { return place(a) - place(b) })
	return newPSSessionConfigurations(found), nil
}

// readConfigurationNames reads r to its end and returns the session configurations
// that it names.
func readConfigurationNames(r io.Reader) ([]string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxRefInput))
	if err != nil {
		return nil, err
	}
	return parseConfigurationNames(string(text))
}

// parseConfigurationNames returns the names of the session configurations in a text:
// names, JSON, or tables, lists and CSV as this program prints them.
func parseConfigurationNames(text string) ([]string, error) {
	if first, rest, _ := strings.Cut(strings.TrimLeft(text, "\r\n"), "\n"); strings.HasPrefix(strings.TrimLeft(rest, " "), "-") {
		return namesOfTable(first, rest)
	}
	refs, err := parseRefs(text, true)
	if err != nil {
		return nil, toError(err).Hint("give names, or the output of pss get-pssessionconfiguration")
	}
	var names []string
	for _, ref := range refs {
		if ref.Name == "" {
			return nil, notConfigurations("an Id or a GUID names no session configuration")
		}
		names = append(names, ref.Name)
	}
	return names, nil
}

func notConfigurations(format string, args ...any) error {
	return usage("InputObjectNotBound", format, args...).Hint("give names, or the output of pss get-pssessionconfiguration")
}

// namesOfTable reads the column Name of a table.
func namesOfTable(header, rest string) ([]string, error) {
	underline, rows, _ := strings.Cut(rest, "\n")
	labels, starts := strings.Fields(header), []int(nil)
	if strings.Trim(underline, "- \r") == "" {
		starts, _ = dashRuns(underline)
	}
	at := slices.Index(labels, "Name")
	if at < 0 || len(starts) != len(labels) {
		return nil, notConfigurations("the table has no column Name")
	}
	var names []string
	for line := range strings.Lines(rows) {
		line = strings.TrimRight(line, " \r\n")
		if line == "" {
			continue
		}
		column := refColumn{from: starts[at], until: -1, present: true}
		if at+1 < len(starts) {
			column.until = starts[at+1]
		}
		name, err := tableCell(line, column)
		if err != nil {
			return nil, notConfigurations("%s in %q", err, clip(line))
		}
		names = append(names, name)
	}
	return names, nil
}

// tableCell returns what stands in a column.
func tableCell(line string, column refColumn) (string, error) {
	from, until := len(format.Prefix(line, column.from)), len(line)
	if column.until >= 0 {
		until = len(format.Prefix(line, column.until))
	}
	if name := strings.TrimSpace(line[from:until]); name != "" {
		return name, nil
	}
	return "", errors.New("there is no name")
}

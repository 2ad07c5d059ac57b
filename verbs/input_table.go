package verbs

import (
	"errors"
	"fmt"
	"strings"

	"pss/format"
)

// refTable finds the cells of a printed table by the header's underlines, in
// terminal columns: a wide character of a name counts two.
type refTable struct {
	id, name, computer refColumn
}

// refColumn is a range of terminal columns; until is -1 for the end of the line.
type refColumn struct {
	from, until int
	present     bool
}

// isTableHeader tells the first line of a table of sessions.
func isTableHeader(line string) bool {
	labels := strings.Fields(line)
	return len(labels) >= 2 && labels[0] == "Id" && labels[1] == "Name"
}

// newRefTable reads the header and the line below it.
func newRefTable(header, underline string) (*refTable, error) {
	labels := strings.Fields(header)
	if strings.Trim(underline, "- ") != "" || len(strings.Fields(underline)) != len(labels) {
		return nil, errors.New("the header of a table has no underline of its own below it")
	}
	table := &refTable{}
	starts, ends := dashRuns(underline)
	for i, label := range labels {
		if ends[i]-starts[i] != format.Width(label) || underlined(header, starts[i], ends[i]) != label {
			return nil, fmt.Errorf("the column %s is not underlined with its own length", clip(label))
		}
		column := refColumn{from: starts[i], until: -1, present: true}
		if i+1 < len(starts) {
			column.until = starts[i+1]
		}
		switch label {
		case "Id": // stands on the right: it has all that is left of its underline's end
			table.id = refColumn{from: 0, until: ends[i], present: true}
		case "Name":
			table.name = column
		case "ComputerName":
			table.computer = column
		}
	}
	return table, nil
}

// dashRuns returns where the underlines begin and end.
func dashRuns(underline string) (starts, ends []int) {
	for i := range len(underline) {
		if underline[i] == '-' && (i == 0 || underline[i-1] == ' ') {
			starts = append(starts, i)
		}
		if underline[i] == '-' && (i+1 == len(underline) || underline[i+1] == ' ') {
			ends = append(ends, i+1)
		}
	}
	return starts, ends
}

func underlined(header string, from, until int) string {
	text, _ := cell(header, refColumn{from: from, until: until})
	return text
}

// row returns the session of one line. The Id decides; a name that was cut to
// the terminal's width is taken as it is.
func (t *refTable) row(line string) (SessionRef, error) {
	text, ok := cell(line, t.id)
	id, isID := parseID(text)
	if !ok || !isID {
		return SessionRef{}, errors.New("there is no id in the first column")
	}
	ref := SessionRef{ID: id}
	if ref.Name, ok = cell(line, t.name); !ok {
		return SessionRef{}, errors.New("the columns are not below their header")
	}
	if t.computer.present {
		if ref.ComputerName, ok = cell(line, t.computer); !ok {
			return SessionRef{}, errors.New("the columns are not below their header")
		}
	}
	return ref, nil
}

// cell returns the text of a column without blanks around it, and false if
// something crosses its borders.
func cell(line string, column refColumn) (string, bool) {
	from, before := byteAt(line, column.from)
	until, behind := len(line), true
	if column.until >= 0 {
		until, behind = byteAt(line, column.until)
	}
	if !before || !behind || from > until {
		return "", false
	}
	// A blank stands in front of every column but the first, and behind Id.
	if from > 0 && line[from-1] != ' ' || column.from == 0 && until < len(line) && line[until] != ' ' {
		return "", false
	}
	return strings.TrimSpace(line[from:until]), true
}

// byteAt returns where the terminal column begins in line, or its end for a
// shorter line; false if it lies within a wide character.
func byteAt(line string, column int) (int, bool) {
	head := format.Prefix(line, column)
	return len(head), len(head) == len(line) || format.Width(head) == column
}

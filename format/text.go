package format

import (
	"bufio"
	"encoding/csv"
	"reflect"
)

// list prints a property a line and a blank line between objects.
func (v *view) list(b *bufio.Writer) error {
	width := 0
	for _, f := range v.shown {
		width = max(width, Width(f.name))
	}
	for i, row := range v.rows {
		if i > 0 {
			b.WriteByte('\n')
		}
		for j := range v.shown {
			b.WriteString(v.options.paint(pad(v.shown[j].name, width) + " :"))
			if s := text(v.shown[j].value(row)); s != "" {
				b.WriteByte(' ')
				b.WriteString(s)
			}
			b.WriteByte('\n')
		}
	}
	return nil // a bufio.Writer keeps its error for Flush
}

// csv prints fields quoted as RFC 4180 has it; lines end as all lines here do.
func (v *view) csv(b *bufio.Writer) error {
	w := csv.NewWriter(b)
	record := make([]string, len(v.shown))
	if !v.options.NoHeader {
		for i, f := range v.shown {
			record[i] = f.name
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	for _, row := range v.rows {
		for i := range v.shown {
			record[i] = text(v.shown[i].value(row))
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// values prints the one shown property bare, a line each, and of a list each element.
func (v *view) values(b *bufio.Writer) error {
	for _, row := range v.rows {
		value := v.shown[0].value(row)
		if value.IsValid() && value.Kind() == reflect.Slice && value.Type().Elem().Kind() != reflect.Uint8 {
			for i := range value.Len() {
				b.WriteString(text(value.Index(i)))
				b.WriteByte('\n')
			}
			continue
		}
		b.WriteString(text(value))
		b.WriteByte('\n')
	}
	return nil
}

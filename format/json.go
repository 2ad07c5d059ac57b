package format

import (
	"bufio"
	"bytes"
	"encoding/json"
	"reflect"
)

// json prints one array, indented by two.
func (v *view) json(b *bufio.Writer) error {
	var array bytes.Buffer
	array.WriteByte('[')
	for i, row := range v.rows {
		if i > 0 {
			array.WriteByte(',')
		}
		if err := v.object(&array, row); err != nil {
			return err
		}
	}
	array.WriteByte(']')
	var out bytes.Buffer
	if err := json.Indent(&out, array.Bytes(), "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err := b.Write(escapeC1(out.Bytes()))
	return err
}

// ndjson prints one object a line.
func (v *view) ndjson(b *bufio.Writer) error {
	var line bytes.Buffer
	for _, row := range v.rows {
		line.Reset()
		if err := v.object(&line, row); err != nil {
			return err
		}
		line.WriteByte('\n')
		if _, err := b.Write(escapeC1(line.Bytes())); err != nil {
			return err
		}
	}
	return nil
}

// object encodes one row: whole, or with the chosen properties only, which are
// then always there, empty or not.
func (v *view) object(b *bytes.Buffer, row reflect.Value) error {
	if len(v.options.Properties) == 0 {
		return encode(b, row.Interface())
	}
	b.WriteByte('{')
	for i := range v.shown {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := encode(b, v.shown[i].name); err != nil {
			return err
		}
		b.WriteByte(':')
		var value any // null
		if got := v.shown[i].value(row); got.IsValid() {
			value = got.Interface()
		}
		if err := encode(b, value); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

// encode appends value without the newline of an Encoder, and with <, > and &
// as they are: this is no HTML.
func encode(b *bytes.Buffer, value any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1)
	return nil
}

package verbs

import (
	"bytes"

	"pss/remote/api"
)

// stampLayout is RFC 3339 in milliseconds, of one width.
const stampLayout = "2006-01-02T15:04:05.000Z07:00 "

// skipLines takes the lines off data that come before those which were asked for.
func (d *delivery) skipLines(data []byte) []byte {
	for d.skip > 0 {
		_, rest, ended := bytes.Cut(data, []byte{'\n'})
		if !ended {
			return nil
		}
		data = rest
		d.skip--
	}
	return data
}

// stamped returns the record's data with its time before each line that begins in
// it. open tells whether the stream's last line has not ended yet.
func (d *delivery) stamped(rec *api.Record, open *bool) []byte {
	if !d.stamps {
		return rec.Data
	}
	stamp := rec.Time.Local().Format(stampLayout)
	out := make([]byte, 0, len(rec.Data)+len(stamp)*(1+bytes.Count(rec.Data, []byte{'\n'})))
	for line := range bytes.Lines(rec.Data) {
		if !*open {
			out = append(out, stamp...)
		}
		out = append(out, line...)
		*open = line[len(line)-1] != '\n'
	}
	return out
}

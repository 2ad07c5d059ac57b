package sessionhost

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"pss/remote/api"
)

// longestWait bounds how long GET records waits for the first record.
const longestWait = 60 * time.Second

// handleRecords gives scripts and curl the same records as an attachment, once
// and bounded: frames, NDJSON or the bare text of standard output. Reading
// acknowledges nothing.
func (s *Session) handleRecords(w http.ResponseWriter, r *http.Request) (any, error) {
	q := r.URL.Query()
	after, _ := strconv.ParseUint(q.Get(api.QueryAfter), 10, 64)
	wait, err := api.ParseDuration("0"+q.Get(api.QueryWait), time.Second)
	if err != nil {
		return nil, api.Errorf(api.CodeInvalidArgument, "%v", err)
	}
	s.mu.Lock()
	p := s.findLocked(r.PathValue("pipeline"))
	s.mu.Unlock()
	if p == nil {
		return nil, api.Errorf(api.CodePipelineNotFound, "session %s has no pipeline %s", s.info.Name, r.PathValue("pipeline"))
	}
	ctx, cancel := context.WithTimeout(r.Context(), min(wait, longestWait))
	defer cancel()
	rd := p.spool.NewReader(after)
	write, contentType := recordWriter(r.Header.Get("Accept"))
	w.Header().Set("Content-Type", contentType)
	out := bufio.NewWriter(w)
	buf := make([]byte, 64<<10)
	frames, err := rd.Next(ctx, buf)
	for found := false; err == nil; {
		for len(frames) > 0 {
			rec, n, perr := api.ParseFrame(frames)
			if perr != nil {
				return nil, nil // the status is sent; the checksum tells the client
			}
			// The reader may have begun before record after was there.
			if rec.Seq > after {
				found = true
				write(out, &rec, frames[:n])
			}
			frames = frames[n:]
		}
		var ok bool
		if frames, ok, err = rd.TryNext(buf); !ok && err == nil {
			if found {
				break
			}
			frames, err = rd.Next(ctx, buf)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil {
		return nil, err
	}
	return nil, out.Flush()
}

// recordJSON is a record as scripts read it: text, or base64 where the bytes
// are not UTF-8.
type recordJSON struct {
	Pipeline   uint32
	Seq        uint64
	Kind       string
	Time       time.Time
	Data       *string         `json:",omitempty"`
	DataBase64 []byte          `json:",omitempty"`
	Value      json.RawMessage `json:",omitempty"` // of control records
}

// recordWriter chooses how records are written by the Accept header.
func recordWriter(accept string) (func(*bufio.Writer, *api.Record, []byte), string) {
	switch {
	case strings.Contains(accept, api.TypeFrames):
		return func(w *bufio.Writer, _ *api.Record, frame []byte) { w.Write(frame) }, api.TypeFrames
	case strings.Contains(accept, api.TypeText):
		return func(w *bufio.Writer, rec *api.Record, _ []byte) {
			if rec.Kind == api.KindOutput {
				w.Write(rec.Data)
			}
		}, api.TypeText
	}
	return func(w *bufio.Writer, rec *api.Record, _ []byte) {
		j := recordJSON{Pipeline: rec.Pipeline, Seq: rec.Seq, Kind: rec.Kind.String(), Time: rec.Time}
		switch text := string(rec.Data); {
		case !rec.Kind.IsStream() && json.Valid(rec.Data):
			j.Value = rec.Data
		case utf8.ValidString(text):
			j.Data = &text
		default:
			j.DataBase64 = rec.Data
		}
		_ = json.NewEncoder(w).Encode(&j)
	}, api.TypeNDJSON
}

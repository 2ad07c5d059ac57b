package client

import (
	"io"
	"net/http"
	"sync"

	"pss/remote/api"
)

// Forward passes a request on to the peer and its reply back, an attachment's
// connection included. Bodies are passed as they are: neither agent nor host
// reads what only passes through.
func (c *Client) Forward(w http.ResponseWriter, r *http.Request, header http.Header) error {
	var body []byte
	if err := ReadBody(w, r, &body); err != nil {
		return err
	}
	return c.ForwardBody(w, r, header, body)
}

// ForwardBody is Forward with a body that was read or made anew.
func (c *Client) ForwardBody(w http.ResponseWriter, r *http.Request, header http.Header, body []byte) error {
	req := Request{Method: r.Method, Path: r.URL.RequestURI(), Header: header}
	if len(body) > 0 {
		req.In = body
	}
	if WantsUpgrade(r) {
		up, err := c.Upgrade(r.Context(), req)
		if err != nil {
			return err
		}
		down, err := Accept(w, r)
		if err != nil {
			up.Close()
			return err
		}
		Splice(down, up)
		return nil
	}
	var out []byte
	req.Out = &out
	if err := c.Do(r.Context(), req); err != nil {
		return err
	}
	w.Header().Set("Content-Type", api.TypeJSON)
	_, err := w.Write(out)
	return err
}

// copyBuffer is one frame of the usual size and its header.
const copyBuffer = 256<<10 + 4096

var buffers = sync.Pool{New: func() any { b := make([]byte, copyBuffer); return &b }}

// Splice copies both ways until both directions have ended, passing an end on,
// and closes both. A direction that fails ends the other too.
func Splice(a, b *Stream) {
	var wg sync.WaitGroup
	oneWay := func(dst, src *Stream) {
		defer wg.Done()
		if err := copyStream(dst, src); err != nil {
			a.Close()
			b.Close()
			return
		}
		if dst.CloseWrite() != nil {
			dst.Close()
		}
	}
	wg.Add(2)
	go oneWay(a, b)
	oneWay(b, a)
	wg.Wait()
	a.Close()
	b.Close()
}

// copyStream copies what the reader's buffer holds first, then straight from
// the connection, with a large buffer only while data flows.
func copyStream(dst, src *Stream) error {
	small := make([]byte, 4096)
	for {
		n, err := src.Read(small)
		if n > 0 {
			if _, werr := dst.Write(small[:n]); werr != nil {
				return werr
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if n == len(small) {
			return copyBulk(dst, src)
		}
	}
}

func copyBulk(dst, src *Stream) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := src.Read(*buf)
		if n > 0 {
			if _, werr := dst.Write((*buf)[:n]); werr != nil {
				return werr
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

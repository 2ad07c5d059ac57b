package client

import (
	"net/http"
	"strconv"

	"pss/remote/planted"
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
	req := Request{Method: r.Method, Path: r.URL.RequestURI(), Header: header.Clone()}
	if accept := r.Header["Accept"]; accept != nil {
		if req.Header == nil {
			req.Header = http.Header{}
		}
		req.Header["Accept"] = accept
	}
	if len(body) > 0 {
		req.In = body
	}
	planted.Point("forward")
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
		planted.Point("forward-switched")
		if Splice(down, up) {
			c.keep(&conn{Conn: up.Conn, br: up.Reader, head: up.head, kind: up.kind})
			Recycle(r, down)
		}
		return nil
	}
	var out []byte
	var contentType string
	req.Out, req.Type = &out, &contentType
	if err := c.Do(r.Context(), req); err != nil {
		return err
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	_, err := w.Write(out)
	return err
}

package client

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"pss/remote/api"
)

// probeTime bounds finding out what answers in the place of a host.
const probeTime = 3 * time.Second

// recognised is the error of an endpoint that answered and is no host of ours, or not
// the one that was meant: PowerShell's own remoting has the same port, so that on
// Windows it is the likely one. It is err where nothing else is known.
func recognised(ctx context.Context, address string, err error) error {
	var op *net.OpError
	if ctx.Err() != nil || errors.As(err, &op) && op.Op == "dial" {
		return err // nothing answered
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if !probeWinRM(ctx, address) {
		return err
	}
	return winRMError(address)
}

// probeWinRM asks as PowerShell's client does first, without telling who asks. It
// believes no key and needs none: it says nothing that is worth hearing.
func probeWinRM(ctx context.Context, address string) bool {
	d := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+"/wsman", http.NoBody)
	if err != nil {
		return false
	}
	req.Close = true
	req.Header.Set("Content-Type", "application/soap+xml;charset=UTF-8")
	if err := req.Write(c); err != nil {
		return false
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(c, 64<<10)), req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return isWinRM(resp.Header)
}

// isWinRM reports whether an answer is that of Windows Remote Management. A host of
// ours always tells its version.
func isWinRM(h http.Header) bool {
	if h.Get(api.HeaderVersion) != "" {
		return false
	}
	if strings.HasPrefix(h.Get("Server"), "Microsoft-HTTPAPI/") {
		return true
	}
	for _, offer := range h.Values("WWW-Authenticate") {
		scheme, rest, _ := strings.Cut(offer, " ")
		switch strings.ToLower(scheme) {
		case "negotiate", "kerberos":
			return true
		case "basic":
			if strings.EqualFold(rest, `realm="WSMAN"`) {
				return true
			}
		}
	}
	return false
}

// winRMError is the error of a computer where WinRM answers at address, which may be
// unknown.
func winRMError(address string) error {
	host, where, reach := "COMPUTER", "", ""
	if h, port, err := net.SplitHostPort(address); err == nil {
		host, where = h, "["+address+"] "
		if port != "5986" {
			reach = " -Port " + port
		}
	}
	return api.Errorf(api.CodeUnreachable, "%sa WinRM listener (Windows Remote Management) answers there, not pss", where).WithID("WinRMListener").On(address).
		Hint("PowerShell reaches it: Enter-PSSession -ComputerName %s%s -UseSSL. To use pss there, start 'pss host --listen 0.0.0.0:PORT' on another port "+
			"and add its address and fingerprint to config.toml; or reach the computer through ssh, which needs no port and no daemon: --host-name", host, reach)
}

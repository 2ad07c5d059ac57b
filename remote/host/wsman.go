package host

import (
	"bytes"
	"html"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"pss/remote/api"
)

// This file answers Windows' remoting clients, which know the same port: with a fault in
// their own language that says what this is. It takes no session from them.

// The paths of WS-Management.
const (
	routeWSMan    = "/wsman"
	routeIdentify = "/wsman-anon/identify"
)

const (
	typeSOAP     = "application/soap+xml;charset=UTF-8"
	maxWSMan     = 64 << 10
	wsmanTime    = 10 * time.Second
	soapEnvelope = "http://www.w3.org/2003/05/soap-envelope"
	wsmanSchema  = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
	wsmanID      = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
	wsmanFault   = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
	addressing   = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
	// wsmanUnsupported is ERROR_NOT_SUPPORTED.
	wsmanUnsupported = 50
)

// handleWSMan answers whoever it is, and ends the connection: nobody has said who he is.
func (h *Host) handleWSMan(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(wsmanTime))
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxWSMan)) // what did not come says nothing
	reply, status := soapFault(body, r.Host), http.StatusInternalServerError
	if strings.HasPrefix(r.URL.Path, routeIdentify) || bytes.Contains(body, []byte(wsmanID)) {
		reply, status = soapIdentity(), http.StatusOK
	}
	head := w.Header()
	head.Set(api.HeaderVersion, api.Version)
	head.Set("Content-Type", typeSOAP)
	head.Set("Content-Length", strconv.Itoa(len(reply)))
	head.Set("Connection", "close")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, reply) // #nosec G705 -- all of it that came with the request is escaped (FuzzWSMan)
}

// soapIdentity is the answer to wsmid:Identify.
func soapIdentity() string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<s:Envelope xmlns:s="` + soapEnvelope + `" xmlns:wsmid="` + wsmanID + `"><s:Header/><s:Body><wsmid:IdentifyResponse>` +
		`<wsmid:ProtocolVersion>` + wsmanSchema + `</wsmid:ProtocolVersion>` +
		`<wsmid:ProductVendor>pss</wsmid:ProductVendor>` +
		`<wsmid:ProductVersion>` + html.EscapeString(api.Version) + `</wsmid:ProductVersion>` +
		`</wsmid:IdentifyResponse></s:Body></s:Envelope>` + "\n"
}

// soapFault is the answer to everything else. It names the message that it answers.
func soapFault(request []byte, host string) string {
	host = addressOf(host)
	if checkLabel("", host, maxName) != nil || host == "" {
		host = "COMPUTER"
	}
	text := html.EscapeString("This is pss, not Windows Remote Management: PowerShell's remoting protocol is not spoken here. " +
		"Install pss and use its cmdlets: pss new-pssession --computer-name " + host + ". " +
		"Through ssh no port is needed: pss new-pssession --host-name " + host + ".")
	related := ""
	if id := messageID(request); id != "" {
		related = `<a:RelatesTo>` + id + `</a:RelatesTo>`
	}
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<s:Envelope xmlns:s="` + soapEnvelope + `" xmlns:a="` + addressing + `" xmlns:w="` + wsmanSchema + `">` +
		`<s:Header><a:Action>http://schemas.dmtf.org/wbem/wsman/1/wsman/fault</a:Action>` + related + `</s:Header>` +
		`<s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:UnsupportedFeature</s:Value></s:Subcode></s:Code>` +
		`<s:Reason><s:Text xml:lang="en-US">` + text + `</s:Text></s:Reason>` +
		`<s:Detail><f:WSManFault xmlns:f="` + wsmanFault + `" Code="` + strconv.Itoa(wsmanUnsupported) + `" Machine="` + html.EscapeString(host) + `">` +
		`<f:Message>` + text + `</f:Message></f:WSManFault></s:Detail></s:Fault></s:Body></s:Envelope>` + "\n"
}

// messageID returns the text of the first MessageID element, if it is one that can be
// repeated as it is: uuid:…, urn:uuid:….
func messageID(request []byte) string {
	_, rest, ok := bytes.Cut(request, []byte("MessageID"))
	if !ok {
		return ""
	}
	_, rest, ok = bytes.Cut(rest, []byte(">"))
	if !ok {
		return ""
	}
	id, _, ok := bytes.Cut(rest, []byte("<"))
	if id = bytes.TrimSpace(id); !ok || len(id) == 0 || len(id) > 128 {
		return ""
	}
	for _, c := range id {
		if !(c == '-' || c == ':' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z') {
			return ""
		}
	}
	return string(id)
}

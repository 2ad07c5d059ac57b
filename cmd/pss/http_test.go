//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"pss/config"
	"pss/remote/client"
)

// hostAddress is where the host of a home listens now.
func hostAddress(home string) (string, error) {
	var info config.HostInfo
	if err := config.ReadJSON(filepath.Join(home, "host", "info.json"), &info); err != nil {
		return "", err
	}
	return net.JoinHostPort(info.Address, strconv.Itoa(info.Port)), nil
}

// insecure accepts any certificate and any version of TLS: what the host insists
// on is seen in the result.
func insecure() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10} //nolint:gosec // see above
}

// request asks the host of a home. An empty token is the home's own.
func request(home, token, method, path string, body io.Reader) (*http.Response, error) {
	return requestFrom(client.FromHere, home, token, method, path, body)
}

// requestFrom is request by somebody who came to the computer as the line from says.
func requestFrom(from, home, token, method, path string, body io.Reader) (*http.Response, error) {
	addr, err := hostAddress(home)
	if err != nil {
		return nil, err
	}
	if token == "" {
		b, err := os.ReadFile(filepath.Join(home, "host", "token"))
		if err != nil {
			return nil, err
		}
		token = strings.TrimSpace(string(b))
	}
	url, tr := "https://"+addr+path, &http.Transport{TLSClientConfig: insecure(), DisableKeepAlives: true}
	if from != client.FromHere || strings.HasSuffix(addr, ":0") { // it listens on no port
		url = "http://pss" + path
		dial := client.DialOwner(filepath.Join(home, "host", "sock"), from, func(context.Context) error { return io.EOF })
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
	}
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return nil, err
	}
	if token != "none" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Pss-Client", "test/script")
	r, err := (&http.Client{Transport: tr, Timeout: stepTime}).Do(req)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(data))
	return r, err
}

// cmdAPI asks the host by plain HTTP and prints status, version of TLS and body:
// api [-token TOKEN|none] [-from ADDRESS] METHOD PATH [BODY]. A BODY of @N is N bytes;
// with -from the request comes by an ssh from there.
func cmdAPI(ts *testscript.TestScript, neg bool, args []string) {
	token := ""
	if len(args) > 1 && args[0] == "-token" {
		token, args = args[1], args[2:]
	}
	from := client.FromHere
	if len(args) > 1 && args[0] == "-from" {
		from, args = client.FromSSH(args[1]+" 50000 192.0.2.1 22"), args[2:]
	}
	if neg || len(args) < 2 {
		ts.Fatalf("usage: api [-token TOKEN|none] [-from ADDRESS] METHOD PATH [BODY]")
	}
	var body io.Reader
	if len(args) > 2 {
		body = strings.NewReader(args[2])
		if n, err := strconv.Atoi(strings.TrimPrefix(args[2], "@")); err == nil {
			body = bytes.NewReader(bytes.Repeat([]byte(" "), n))
		}
	}
	r, err := requestFrom(from, ts.Getenv("PSS_HOME"), token, args[0], args[1], body)
	ts.Check(err)
	data, err := io.ReadAll(r.Body)
	ts.Check(err)
	version := "plain"
	if r.TLS != nil {
		version = tls.VersionName(r.TLS.Version)
	}
	fmt.Fprintf(ts.Stdout(), "%d %s %s\n%s\n", r.StatusCode, version, r.Header.Get("Pss-Version"), data)
}

// cmdRaw sends bytes to the host and prints the first line that comes back, or
// that the connection was closed. With -hold it does not wait for an answer and
// keeps the connection open until the script's end, N times over.
//
// With -closes the host must end the connection by itself.
//
//	raw [-plain] [-tls1.2] [-closes] [-hold N] [-pad N] TEXT   \r, \n and \0 are understood
func cmdRaw(ts *testscript.TestScript, neg bool, args []string) {
	conf, plain, closes, hold, pad := insecure(), false, false, 0, 0
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		switch args[0] {
		case "-plain":
			plain = true
		case "-tls1.2":
			conf.MaxVersion = tls.VersionTLS12
		case "-closes":
			closes = true
		case "-hold":
			n, err := strconv.Atoi(args[1])
			ts.Check(err)
			hold, args = n, args[1:]
		case "-pad":
			n, err := strconv.Atoi(args[1])
			ts.Check(err)
			pad, args = n, args[1:]
		}
		args = args[1:]
	}
	if neg || len(args) != 1 {
		ts.Fatalf("usage: raw [-plain] [-tls1.2] [-closes] [-hold N] [-pad N] TEXT")
	}
	addr, err := hostAddress(ts.Getenv("PSS_HOME"))
	ts.Check(err)
	text := strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\0`, "\x00").Replace(args[0]) + strings.Repeat("x", pad)
	for range max(hold, 1) {
		c, err := net.DialTimeout("tcp", addr, stepTime)
		ts.Check(err)
		_ = c.SetDeadline(time.Now().Add(stepTime))
		if hold > 0 {
			w := sceneOf(ts)
			w.holds = append(w.holds, func() { c.Close() })
		} else {
			defer c.Close()
		}
		if !plain {
			t := tls.Client(c, conf)
			if err := t.Handshake(); err != nil {
				fmt.Fprintf(ts.Stdout(), "handshake: %v\n", err)
				return
			}
			c = t
		}
		_, werr := io.WriteString(c, text)
		if hold > 0 {
			ts.Check(werr)
			continue
		}
		answer := make([]byte, 4096)
		n, err := c.Read(answer)
		if n == 0 {
			fmt.Fprintf(ts.Stdout(), "closed: %v\n", err)
			continue
		}
		line, _, _ := strings.Cut(string(answer[:n]), "\r\n")
		fmt.Fprintln(ts.Stdout(), line)
		if closes {
			_, err := io.Copy(io.Discard, c)
			ts.Check(err)
		}
	}
}

// cmdJSONField demands that a member matches a regular expression as a whole:
// jsonfield stdout 0.State Opened. Numbers pick an element of an array, -1 the last.
func cmdJSONField(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: [!] jsonfield FILE PATH REGEXP")
	}
	var v any
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	d.UseNumber()
	ts.Check(d.Decode(&v))
	for _, key := range strings.Split(args[1], ".") {
		switch x := v.(type) {
		case map[string]any:
			var ok bool
			if v, ok = x[key]; !ok {
				ts.Fatalf("there is no member %q", key)
			}
		case []any:
			i, err := strconv.Atoi(key)
			if i < 0 {
				i += len(x)
			}
			if err != nil || i < 0 || i >= len(x) {
				ts.Fatalf("there is no element %q of %d", key, len(x))
			}
			v = x[i]
		default:
			ts.Fatalf("nothing is below %v", v)
		}
	}
	re, err := regexp.Compile("^(?s:" + args[2] + ")$")
	ts.Check(err)
	if re.MatchString(fmt.Sprint(v)) == neg {
		ts.Fatalf("%s is %v", args[1], v)
	}
}

// cmdJSONTypes compares the members of the JSON objects in a file with a table
// of the help topic: jsontypes stdout PSSession about.txt. Elements of another
// Type do not count.
func cmdJSONTypes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: jsontypes FILE OBJECT TOPIC")
	}
	want := topicMembers(ts.ReadFile(args[2]), args[1])
	if len(want) == 0 {
		ts.Fatalf("the topic has no table of %s", args[1])
	}
	var objects []map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &objects))
	seen := 0
	for _, o := range objects {
		if typ, ok := o["Type"]; ok && typ != args[1] {
			continue
		}
		seen++
		for name, v := range o {
			typ, ok := want[name]
			if got := jsonType(v); !ok || got != typ && v != nil {
				ts.Fatalf("member %s of %s is a %s, documented: %q", name, args[1], got, typ)
			}
		}
		if args[1] == "Record" {
			continue // Data, DataBase64 and Value exclude each other
		}
		var names, wanted []string
		for n := range o {
			names = append(names, n)
		}
		for n := range want {
			wanted = append(wanted, n)
		}
		sort.Strings(names)
		sort.Strings(wanted)
		if !reflect.DeepEqual(names, wanted) {
			ts.Fatalf("members of %s are\n%v, documented are\n%v", args[1], names, wanted)
		}
	}
	if seen == 0 {
		ts.Fatalf("there is no %s", args[1])
	}
}

func jsonType(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case float64:
		return "number"
	case bool:
		return "boolean"
	case nil:
		return "null"
	case []any:
		return "array"
	}
	return "object"
}

// topicMembers reads one table of about_JSON_Output: a heading at the margin,
// then indented lines of name and type.
func topicMembers(topic, object string) map[string]string {
	members := map[string]string{}
	in := false
	line := regexp.MustCompile(`^  ([A-Z]\w+) +(string|number|object|boolean|array)\b`)
	for _, l := range strings.Split(topic, "\n") {
		if l != "" && l[0] != ' ' {
			heading := strings.FieldsFunc(l, func(r rune) bool { return r == ' ' || r == '(' })
			// The second line of a heading begins no table.
			if len(heading) > 0 && (heading[0] == object || !in || len(members) > 0) {
				in = heading[0] == object
			}
			continue
		}
		if m := line.FindStringSubmatch(l); in && m != nil {
			members[m[1]] = m[2]
		}
	}
	return members
}

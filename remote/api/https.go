package api

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// httpsScheme begins the ref of a host that is named by its address, or of one where
// somebody is known in a way of their own.
const httpsScheme = "https://"

// The values of -Authentication that are no method of a host.
const (
	AuthenticationDefault = "Default" // what the user has, in the order of about_Credentials
	AuthenticationBasic   = "Basic"   // PowerShell's word for a password
)

// HTTPSTarget is a computer that is reached by HTTPS, and how one is known there. What is
// not set here is as config.toml says.
type HTTPSTarget struct {
	User           string // empty: as config.toml says, or the local account's name
	Host           string // a name or an address
	Port           int    // 0: where config.toml says that the name listens
	Thumbprint     string // of the certificate that is shown; as CheckThumbprint returns it
	Authentication string // AuthenticationBasic, or a method; empty: AuthenticationDefault
}

// ParseHTTPSRef reads what Ref returns; ok is false for every other computer.
func ParseHTTPSRef(ref string) (t HTTPSTarget, ok bool) {
	if !strings.HasPrefix(ref, httpsScheme) {
		return t, false
	}
	u, err := url.Parse(ref)
	if err != nil || u.Host == "" || u.Path != "" || u.Fragment != "" || u.Opaque != "" {
		return t, false
	}
	t.Host = u.Hostname()
	if t.Host == "" || strings.HasPrefix(t.Host, "-") || strings.ContainsAny(t.Host, " \t\r\n\"'`$\\;&|<>(){}/?#,*@%\x00") ||
		strings.Contains(t.Host, ":") && net.ParseIP(t.Host) == nil {
		return t, false
	}
	if port := u.Port(); port != "" {
		if t.Port, err = strconv.Atoi(port); err != nil || t.Port < 1 || t.Port > 65535 {
			return t, false
		}
	}
	if u.User != nil {
		_, password := u.User.Password()
		if t.User = u.User.Username(); password || CheckUser(t.User) != nil {
			return t, false
		}
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return t, false
	}
	if t.Authentication = values.Get("auth"); !isWord(t.Authentication) {
		return t, false
	}
	if t.Thumbprint = values.Get("cert"); t.Thumbprint != "" {
		if t.Thumbprint, err = CheckThumbprint(t.Thumbprint); err != nil {
			return t, false
		}
	}
	return t, true
}

// isWord reports whether text consists of letters alone, or is empty.
func isWord(text string) bool {
	return len(text) < 64 && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}

// maxUser is longer than any account's name.
const maxUser = 256

// CheckUser fails with InvalidArgument for what is no user's name: a name, NAME@DOMAIN or
// DOMAIN\NAME.
func CheckUser(name string) error {
	bad := name == "" || len(name) > maxUser || strings.HasPrefix(name, "-") ||
		strings.ContainsAny(name, " \"'`$;&|<>(){}/?#:,*")
	for _, r := range name {
		bad = bad || r < ' ' || r == 0x7f || r == '\uFFFD'
	}
	if !bad {
		return nil
	}
	return Errorf(CodeInvalidArgument, "%q is no user's name", name).WithID("InvalidUserName").
		Hint("write the name alone; a password is asked for, or read from the file that PSS_PASSWORD_FILE names")
}

// CheckThumbprint returns a certificate's thumbprint in its usual spelling: the 40
// hexadecimal digits of PowerShell's, in capitals, or "sha256:" and the base64 of the
// SHA-256 of the certificate's public key. It fails with InvalidArgument.
func CheckThumbprint(text string) (string, error) {
	if rest, ok := strings.CutPrefix(text, "sha256:"); ok && len(rest) == 44 && strings.HasSuffix(rest, "=") && !strings.ContainsAny(rest, " \r\n\x00") {
		return text, nil
	}
	hex := strings.ToUpper(strings.NewReplacer(" ", "", ":", "").Replace(text))
	if len(hex) == 40 && strings.Trim(hex, "0123456789ABCDEF") == "" {
		return hex, nil
	}
	return "", Errorf(CodeInvalidArgument, "%q is no certificate's thumbprint", text).WithID("InvalidCertificateThumbprint").
		Hint("it has 40 hexadecimal digits, or begins with sha256:")
}

// Ref names the computer for the agent, in journals and in JSON:
// https://[user@]host[:port], and how one is known there behind a question mark.
func (t HTTPSTarget) Ref() string {
	u := url.URL{Scheme: "https", Host: t.Host}
	if strings.Contains(t.Host, ":") {
		u.Host = "[" + t.Host + "]"
	}
	if t.Port != 0 {
		u.Host = net.JoinHostPort(t.Host, strconv.Itoa(t.Port))
	}
	if t.User != "" {
		u.User = url.User(t.User)
	}
	query := url.Values{}
	if t.Thumbprint != "" {
		query.Set("cert", t.Thumbprint)
	}
	if t.Authentication != "" {
		query.Set("auth", t.Authentication)
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// IsBare reports whether t is an address alone, where everybody is known as config.toml
// says.
func (t HTTPSTarget) IsBare() bool {
	return t.User == "" && t.Thumbprint == "" && t.Authentication == ""
}

// Arguments name the computer, and how one is known there, on a command line.
func (t HTTPSTarget) Arguments() string {
	text := "--computer-name " + t.Host
	if t.Port != 0 {
		text = "--connection-uri " + HTTPSTarget{Host: t.Host, Port: t.Port}.Ref()
	}
	if t.User != "" {
		user := t.User
		if strings.Contains(user, `\`) {
			user = "'" + user + "'"
		}
		text += " --credential " + user
	}
	if t.Thumbprint != "" {
		text += " --certificate-thumbprint " + t.Thumbprint
	}
	if t.Authentication != "" {
		text += " --authentication " + t.Authentication
	}
	return text
}

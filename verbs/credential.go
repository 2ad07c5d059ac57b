package verbs

import (
	"context"
	"strings"

	"pss/remote/api"
)

// authentications are the values of -Authentication: PowerShell's, of which not all mean
// something here, and the methods of a host.
var authentications = []string{
	api.AuthenticationDefault, api.AuthenticationBasic, "Negotiate", api.MethodPublicKey, api.MethodCertificate, api.MethodToken,
}

// foreign are PowerShell's values of -Authentication that belong to Windows, and what
// there is instead.
var foreign = map[string]string{
	"kerberos":                        "no host of pss takes Kerberos tickets; use PublicKey, or ssh, which can: --host-name",
	"digest":                          "give Basic: the password travels inside of TLS 1.3",
	"credssp":                         "no credentials are delegated; use PublicKey",
	"negotiatewithimplicitcredential": "give Default: it uses the keys that you have, without a question",
}

// credentialParams say as whom, and by which proof, one is known on the computers of
// these sets.
func credentialParams(sets ...string) []param {
	return []param{
		value("Credential", "as whom, on the computers: a user's name; the SSH keys of that user go before a password, which is asked for").
			in(sets...).takes(userName()).byDefault("user of config.toml, else your own name"),
		value("Authentication", "how you prove who you are; Basic is a password, Negotiate is Default: what you have, in the order of about_Credentials").
			in(sets...).takes(authentication()).byDefault(api.AuthenticationDefault),
		value("CertificateThumbprint", "the certificate of your certificates folder that proves it; excludes --credential").
			in(sets...).takes(thumbprint()).byDefault("certificate_file of config.toml"),
	}
}

// userName takes a user's name, which is all that a credential can be in a shell.
func userName() valueKind {
	return valueKind{shows: "USER", check: func(text string) (string, *api.Error) {
		name := strings.TrimSpace(text)
		if name == "" {
			return "", usage("ParameterArgumentValidationErrorEmptyStringNotAllowed", "cannot be empty")
		}
		if err := api.CheckUser(name); err != nil {
			return "", conversion("cannot be %q: it takes a user's name, and no password", name).Hint("%s", api.AsError(err).RecommendedAction)
		}
		return name, nil
	}}
}

// authentication takes the values of -Authentication that mean something here.
func authentication() valueKind {
	kind := oneOfThese(authentications...)
	plain := kind.check
	kind.check = func(text string) (string, *api.Error) {
		if instead, ok := foreign[strings.ToLower(text)]; ok {
			return "", usage("ParameterArgumentNotSupported", "cannot be %s here", text).Hint("%s", instead)
		}
		return plain(text)
	}
	return kind
}

// thumbprint takes what names a certificate.
func thumbprint() valueKind {
	return valueKind{shows: "THUMBPRINT", check: func(text string) (string, *api.Error) {
		got, err := api.CheckThumbprint(text)
		if err != nil {
			return "", conversion("cannot be %q", text).Hint("%s", api.AsError(err).RecommendedAction)
		}
		return got, nil
	}}
}

// readCredential returns how one wants to be known on the computers.
func readCredential(in *input) (t api.HTTPSTarget, err error) {
	t.User, t.Thumbprint, t.Authentication = in.String("credential"), in.String("certificate-thumbprint"), in.String("authentication")
	if t.Authentication == api.AuthenticationDefault || t.Authentication == "Negotiate" {
		t.Authentication = ""
	}
	ambiguous := func(a, b string) error {
		return usage("ParameterBindingFailed", "%s cannot stand with %s", a, b).Hint("give one of them: each says who you are")
	}
	switch {
	case t.Thumbprint != "" && t.User != "":
		return t, ambiguous("--certificate-thumbprint", "--credential")
	case t.Thumbprint != "" && t.Authentication != "" && t.Authentication != api.MethodCertificate:
		return t, ambiguous("--certificate-thumbprint", "--authentication "+t.Authentication)
	case t.User != "" && (t.Authentication == api.MethodCertificate || t.Authentication == api.MethodToken):
		return t, ambiguous("--credential", "--authentication "+t.Authentication)
	case t.Thumbprint != "":
		t.Authentication = api.MethodCertificate
	}
	return t, nil
}

// knownAs names each computer as one where somebody is known so.
func knownAs(t api.HTTPSTarget, computers []string) []string {
	if t.IsBare() {
		return computers
	}
	refs := make([]string, len(computers))
	for i, name := range computers {
		at := t
		if given, ok := api.ParseHTTPSRef(name); ok {
			at.Host, at.Port = given.Host, given.Port
		} else {
			at.Host = strings.Trim(name, "[]")
		}
		refs[i] = at.Ref()
	}
	return refs
}

// findCertificates finds the client certificates of the user's folder.
func findCertificates(_ context.Context, rt *Runtime, _ source, add func(text, says string)) {
	paths, err := rt.paths()
	if err != nil {
		return
	}
	list, _ := paths.ListCertificates() // what cannot be read is not offered
	for _, c := range list {
		add(c.Thumbprint(), c.Leaf.Subject.String())
	}
}

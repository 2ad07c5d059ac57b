package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

const (
	someThumbprint  = "0123456789ABCDEF0123456789ABCDEF01234567"
	someFingerprint = "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
)

func TestHTTPSRef(t *testing.T) {
	for want, target := range map[string]api.HTTPSTarget{
		"https://server01":                            {Host: "server01"},
		"https://server01:5986":                       {Host: "server01", Port: 5986},
		"https://[::1]:1":                             {Host: "::1", Port: 1},
		"https://[::1]":                               {Host: "::1"},
		"https://alice@Server01":                      {User: "alice", Host: "Server01"},
		"https://alice%40corp.net@a:1?auth=PublicKey": {User: "alice@corp.net", Host: "a", Port: 1, Authentication: api.MethodPublicKey},
		`https://CORP%5Calice@a`:                      {User: `CORP\alice`, Host: "a"},
		"https://a?cert=" + someThumbprint:            {Host: "a", Thumbprint: someThumbprint},
		"https://a?cert=sha256%3A47DEQpj8HBSa%2B%2FTImW%2B5JCeuQeRkm5NMpJWZG3hSuFU%3D": {Host: "a", Thumbprint: someFingerprint},
	} {
		require.Equal(t, want, target.Ref())
		got, ok := api.ParseHTTPSRef(want)
		require.True(t, ok, want)
		require.Equal(t, target, got, want)
		require.Equal(t, target.Host, api.ComputerOf(want))
		require.Equal(t, want, api.PlaceOf(want))
		require.True(t, api.SameComputer(want, strings.Replace(want, "erver01", "ERVER01", 1)), want)
	}
	for _, ref := range []string{
		"a", "ssh://a", "https://", "https://:1", "https://@a", "https://a:b@c", "https://a:0", "https://a:70000", "https://a/x", "https://a#x",
		"https://-a", "https://a?%zz", "https://a?cert=1", "https://a%3Ab@c", "https://%00@c", "https://a%0Ab@c", "https://[a]:1", "https://-a@b", "https://a b", "https://a?auth=$(x)",
	} {
		_, ok := api.ParseHTTPSRef(ref)
		require.False(t, ok, ref)
	}
	require.False(t, api.SameComputer("https://a@h", "https://A@h"))
	require.False(t, api.SameComputer("https://a@h", "https://h"))
	require.False(t, api.SameComputer("https://h", "h"))
	require.True(t, api.SameComputer("https://a@H:1?auth=Token", "https://a@h:1?auth=Token"))
}

func TestHTTPSArguments(t *testing.T) {
	for want, target := range map[string]api.HTTPSTarget{
		"--computer-name a":                                               {Host: "a"},
		"--connection-uri https://a:1":                                    {Host: "a", Port: 1},
		"--computer-name a --credential alice":                            {Host: "a", User: "alice"},
		`--computer-name a --credential 'CORP\alice'`:                     {Host: "a", User: `CORP\alice`},
		"--connection-uri https://[::1]:1 --authentication Basic":         {Host: "::1", Port: 1, Authentication: api.AuthenticationBasic},
		"--computer-name a --certificate-thumbprint " + someThumbprint:    {Host: "a", Thumbprint: someThumbprint},
		"--computer-name a --credential alice --authentication PublicKey": {Host: "a", User: "alice", Authentication: api.MethodPublicKey},
	} {
		require.Equal(t, want, target.Arguments())
	}
	require.True(t, api.HTTPSTarget{Host: "a", Port: 1}.IsBare())
	require.False(t, api.HTTPSTarget{Host: "a", Authentication: api.MethodToken}.IsBare())
}

func TestUsersAndThumbprints(t *testing.T) {
	for _, name := range []string{"alice", "a.b-c_d", "alice@corp.net", `CORP\alice`, "älice", "srv$"[:3]} {
		require.NoError(t, api.CheckUser(name), name)
	}
	for _, name := range []string{"", "-a", "a:b", "a\x00", "a\nb", "a\rb", "a\x1bb", "a\x7fb", "a b", "a/b", "$(a)", "a;b", "{}", strings.Repeat("a", 257), "a\xffb"} {
		err := api.CheckUser(name)
		require.Error(t, err, name)
		require.Equal(t, "InvalidUserName", api.AsError(err).FullyQualifiedErrorID)
	}
	for text, want := range map[string]string{
		someThumbprint:                  someThumbprint,
		strings.ToLower(someThumbprint): someThumbprint,
		"01 23 45 67 89 ab cd ef 01 23 45 67 89 ab cd ef 01 23 45 67": someThumbprint,
		"01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef:01:23:45:67": someThumbprint,
		someFingerprint: someFingerprint,
	} {
		got, err := api.CheckThumbprint(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "0123", someThumbprint + "0", "sha256:", "sha256:x", "g" + someThumbprint[1:]} {
		_, err := api.CheckThumbprint(text)
		require.Error(t, err, text)
	}
}

// A ref may come out of a pipe: whatever it is, reading it ends, and what was read
// names the same computer when it is written again.
func FuzzHTTPSRef(f *testing.F) {
	for _, ref := range []string{"https://alice@server01:5986?auth=Basic", "https://[::1]:1", "https://a@b@c", "https://?", "https://a?cert=" + someThumbprint, "x"} {
		f.Add(ref)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		target, ok := api.ParseHTTPSRef(ref)
		if !ok {
			return
		}
		again, ok := api.ParseHTTPSRef(target.Ref())
		require.True(t, ok, target.Ref())
		require.Equal(t, target, again)
		require.True(t, api.SameComputer(ref, ref))
		require.NotEmpty(t, target.Host)
		require.NotEqual(t, byte('-'), target.Host[0])
	})
}

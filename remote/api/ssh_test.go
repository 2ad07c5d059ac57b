package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

func TestSSHHost(t *testing.T) {
	for text, want := range map[string]api.SSHTarget{
		"server01":           {Host: "server01"},
		"ops@server01":       {User: "ops", Host: "server01"},
		"server01:2222":      {Host: "server01", Port: 2222},
		"ops@server01:22":    {User: "ops", Host: "server01", Port: 22},
		"a@corp.net@gate:22": {User: "a@corp.net", Host: "gate", Port: 22},
		"::1":                {Host: "::1"},
		"[::1]":              {Host: "::1"},
		"ops@[::1]:2222":     {User: "ops", Host: "::1", Port: 2222},
		"10.0.0.5":           {Host: "10.0.0.5"},
	} {
		got, err := api.ParseSSHHost(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		again, err := api.ParseSSHHost(got.Destination())
		require.NoError(t, err, text)
		require.Equal(t, want, again, text)
		require.Equal(t, want.Host, api.ComputerOf(want.Ref()), text)
	}
	for _, text := range []string{"", "@a", "ops@", ":22", "a:", "a:0", "a:70000", "a:x", "-oProxyCommand=x", "ops@-x", "-l@a", "a b", "a;b", "$(a)", "[a]:1", "[::1", "[::1]x", "a/b", "a?b", "a:b:c"} {
		_, err := api.ParseSSHHost(text)
		require.Error(t, err, text)
		require.Equal(t, "InvalidSSHHostName", api.AsError(err).FullyQualifiedErrorID, text)
	}
}

func TestSSHRef(t *testing.T) {
	for _, target := range []api.SSHTarget{
		{Host: "a"},
		{User: "ops", Host: "a", Port: 1, KeyFile: "/k y?&=#", Options: []string{"ProxyJump=b,c", "X=?&"}, ConnectingTimeout: 5000},
		{Host: "::1"},
	} {
		got, ok := api.ParseSSHRef(target.Ref())
		require.True(t, ok)
		require.Equal(t, target, got)
		require.True(t, api.SameComputer(target.Ref(), target.Identity().Ref()))
	}
	for _, ref := range []string{"a", "https://a:1", "ssh://", "ssh://-x", "ssh://a?%zz"} {
		_, ok := api.ParseSSHRef(ref)
		require.False(t, ok, ref)
	}
	require.True(t, api.SameComputer("Server01", "server01"))
	require.False(t, api.SameComputer("ssh://a", "a"))
	require.False(t, api.SameComputer("ssh://u@a", "ssh://U@a"))
}

// A ref may come out of a pipe: whatever it is, reading it ends, and what was read
// names the same computer when it is written again.
func FuzzSSHRef(f *testing.F) {
	for _, ref := range []string{"ssh://ops@server01:22?key=/k&option=A=b", "ssh://[::1]:1", "ssh://a@b@c", "ssh://?", "x"} {
		f.Add(ref)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		target, ok := api.ParseSSHRef(ref)
		if !ok {
			return
		}
		again, ok := api.ParseSSHRef(target.Ref())
		require.True(t, ok, target.Ref())
		require.Equal(t, target.Identity().Ref(), again.Identity().Ref())
		require.NotEmpty(t, target.Host)
		require.NotEqual(t, byte('-'), target.Host[0])
	})
}

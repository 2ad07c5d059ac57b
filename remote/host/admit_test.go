package host

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pss/remote/api"
	"pss/remote/client"
)

func TestSessionsThatAConfigurationAllows(t *testing.T) {
	for _, test := range []struct {
		conf   api.SessionConfiguration
		owners []string
		want   string
	}{
		{api.SessionConfiguration{}, []string{"ann", "ann", "bob"}, ""},
		{api.SessionConfiguration{MaxShells: 3}, []string{"ann", "bob"}, ""},
		{api.SessionConfiguration{MaxShells: 3}, []string{"ann", "bob", "bob"}, "MaxShells"},
		{api.SessionConfiguration{MaxShellsPerUser: 2}, []string{"bob", "bob", "ann"}, ""},
		{api.SessionConfiguration{MaxShellsPerUser: 2}, []string{"ann", "bob", "ann"}, "MaxShellsPerUser"},
		{api.SessionConfiguration{MaxConcurrentUsers: 2}, []string{"bob", "ann", "ann"}, ""},
		{api.SessionConfiguration{MaxConcurrentUsers: 2}, []string{"bob", "eve"}, "MaxConcurrentUsers"},
		{api.SessionConfiguration{MaxConcurrentUsers: 1}, nil, ""},
		{api.SessionConfiguration{MaxShells: 1, MaxShellsPerUser: 1}, []string{"ann"}, "MaxShells"},
	} {
		limit, _ := exceeds(&test.conf, test.owners, "ann")
		assert.Equal(t, test.want, limit, "%+v", test)
	}
}

func TestLocalRequests(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:1": true, "127.8.9.1:1": true, "10.0.0.1:1": false, "[fe80::1]:1": false, "": false, "localhost:1": false,
		"local": true, "ssh 192.0.2.7": false, "ssh 127.0.0.1": false, "ssh": false,
	} {
		assert.Equal(t, want, client.FromLocal(addr), addr)
	}
}

package agent

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"pss/remote/api"
)

// FuzzCaller finds no text of a cmdlet about itself that the agent does not survive, and none
// that stands for somebody where it is not whole.
func FuzzCaller(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"ID":"x","Ask":true,"Env":{"SSH_AUTH_SOCK":"/x"}}`, `{"Env":{"A=B":"c"}}`, `{"Env":[]}`, `null`, `[`, "\x00", `{"Fingerprint":"sha256:x","AcceptNew":true}`, `{"Ask":1}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := http.NewRequest(http.MethodGet, "http://agent/", nil)
		require.NoError(t, err)
		r.Header.Set(api.HeaderCaller, text)
		c := callerOf(withCaller(r).Context())
		if text == "" {
			require.Nil(t, c)
			return
		}
		require.NotNil(t, c)
		said := c.told()
		require.Equal(t, said, c.told(), "it is read once")
		c.note(api.Notice{})
	})
}

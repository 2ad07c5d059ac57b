package sshlink

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadHello(t *testing.T) {
	const nonce = "0123456789abcdef"
	for name, c := range map[string]struct {
		text, noise, err string
		want             hello
	}{
		"Nothing":         {text: "", err: "EOF"},
		"NoiseOnly":       {text: "motd\nmore", noise: "motd\nmore", err: "EOF"},
		"Hello":           {text: "pss-ssh " + nonce + " {\"Version\":\"1.2\"}\n", want: hello{Version: "1.2"}},
		"BehindNoise":     {text: "motd\r\n\x1b[0m\n\x00\npss-ssh " + nonce + " {}\n", noise: "motd\r\n\x1b[0m\n\x00\n"},
		"WithoutLineEnd":  {text: "# prompt pss-ssh " + nonce + " {}\n", noise: "# prompt "},
		"OtherNumber":     {text: "pss-ssh f00d {}\npss-ssh " + nonce + " {}\n", noise: "pss-ssh f00d {}\n"},
		"Unfinished":      {text: "pss-ssh " + nonce + " {}", noise: "pss-ssh " + nonce + " {}", err: "EOF"},
		"Missing":         {text: "pss-ssh " + nonce + " missing Linux x86_64\n", want: hello{Missing: true, System: "Linux", Machine: "x86_64"}},
		"Failed":          {text: "pss-ssh " + nonce + " failed Linux armv7l\n", want: hello{Failed: true, System: "Linux", Machine: "armv7l"}},
		"NoUname":         {text: "pss-ssh " + nonce + " missing\n", want: hello{Missing: true}},
		"Nonsense":        {text: "pss-ssh " + nonce + " what\n", err: "the far side said"},
		"NoWord":          {text: "pss-ssh " + nonce + " \n", err: "the far side said"},
		"BrokenJSON":      {text: "pss-ssh " + nonce + " {\"Version\n", err: "invalid character"},
		"LongLine":        {text: strings.Repeat("x", 300<<10) + "pss-ssh " + nonce + " {}\n", noise: strings.Repeat("x", 300<<10)},
		"TooMuch":         {text: strings.Repeat("noise\n", maxNoise/5), err: "printed more than"},
		"TooMuchInALine":  {text: strings.Repeat("x", 2*maxNoise), err: "printed more than"},
		"MuchThatIsTaken": {text: strings.Repeat("noise\n", maxNoise/7) + "pss-ssh " + nonce + " {}\n", noise: strings.Repeat("noise\n", maxNoise/7)},
	} {
		t.Run(name, func(t *testing.T) {
			const behind = "\x02\x00frames"
			text := c.text
			if c.err == "" {
				text += behind
			}
			r := bufio.NewReaderSize(strings.NewReader(text), 4096)
			got, noise, err := readHello(r, nonce)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.True(t, c.noise == noise || !strings.Contains(c.err, "EOF"), "noise %q", noise)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			require.True(t, c.noise == noise, "%d bytes of noise", len(noise))
			rest, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, behind, string(rest), "nothing behind the line is taken")
		})
	}
}

// Whatever the far side prints, the line is found with what stands before and behind it,
// or the end is an error.
func FuzzReadHello(f *testing.F) {
	f.Add([]byte("motd\n"), []byte("frames"), 16)
	f.Add([]byte("pss-ssh 00 {}\n"), []byte("\n\n"), 300)
	f.Add([]byte("pss-ssh 0123456789abcde"), []byte{}, 4096)
	f.Fuzz(func(t *testing.T, before, behind []byte, size int) {
		const nonce = "0123456789abcdef"
		if bytes.Contains(before, []byte(nonce)) || len(before) > maxNoise/2 {
			return
		}
		text := append(append(bytes.Clone(before), "pss-ssh "+nonce+" {\"Version\":\"v\"}\n"...), behind...)
		r := bufio.NewReaderSize(bytes.NewReader(text), 16+min(max(size, 0), 8192))
		h, noise, err := readHello(r, nonce)
		require.NoError(t, err)
		require.Equal(t, "v", h.Version)
		require.Equal(t, string(before), noise)
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, string(behind), string(rest))
		_, _, err = readHello(bufio.NewReader(bytes.NewReader(before)), nonce)
		require.Error(t, err)
	})
}

func TestReasonIn(t *testing.T) {
	for text, want := range map[string]string{
		"":        "",
		"\r\n \n": "",
		"Warning: Permanently added 'a' (ED25519) to the list of known hosts.\r\n":                                 "",
		"Pseudo-terminal will not be allocated because stdin is not a terminal.\nPermission denied (publickey).\n": "Permission denied (publickey).",
		"@@@@@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@@@@@@@\nIT IS POSSIBLE\n":             "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! / IT IS POSSIBLE",
		"1\n2\n3\n4\n5\n6\n7\n8\n": "3 / 4 / 5 / 6 / 7 / 8",
		"kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 10.0.0.5 port 22\r\n": "kex_exchange_identification: read: Connection reset by peer / Connection reset by 10.0.0.5 port 22",
	} {
		require.Equal(t, want, reasonIn(text))
	}
}

func TestBuildFor(t *testing.T) {
	for _, c := range []struct{ system, machine, want string }{
		{"Linux", "x86_64", "linux/amd64"}, {"Linux", "aarch64", "linux/arm64"}, {"Linux", "i686", "linux/386"}, {"Linux", "armv7l", "linux/arm"},
		{"Darwin", "arm64", "darwin/arm64"}, {"FreeBSD", "amd64", "freebsd/amd64"}, {"SunOS", "i86pc", "sunos/i86pc"}, {"", "", "/"},
	} {
		require.Equal(t, c.want, buildFor(hello{System: c.system, Machine: c.machine}))
	}
}

package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"pss/remote/api"
)

// Client is config.toml.
type Client struct {
	Defaults  Defaults            `toml:"defaults"`
	Agent     Agent               `toml:"agent"`
	Computers map[string]Computer `toml:"computers"`
	Groups    map[string][]string `toml:"groups"` // what -ComputerName @NAME means
}

// Defaults of the cmdlets.
type Defaults struct {
	Output string `toml:"output"` // an output format
}

// Agent is how the user's agent behaves.
type Agent struct {
	Linger          Duration `toml:"linger"`            // how long it stays with nothing to do; default 60s
	Heartbeat       Duration `toml:"heartbeat"`         // default 10s; never more than a third of a host's lease
	OpenTimeout     Duration `toml:"open_timeout"`      // how long a computer may take to answer; default 15s
	ClientExitGrace Duration `toml:"client_exit_grace"` // default 60s
	BatchExit       Duration `toml:"batch_exit"`        // named and batch client sessions; default 10m
	RetainJobs      Duration `toml:"retain_jobs"`       // jobs of a client session that is over; default 7 days
	OnClientExit    string   `toml:"on_client_exit"`    // "close" (idle sessions; default) or "disconnect"
}

// Computer is what one name after -ComputerName means.
type Computer struct {
	Address     string `toml:"address"`          // host:port
	SSH         string `toml:"ssh"`              // [user@]host[:port]: it is reached through ssh instead
	Fingerprint string `toml:"fingerprint"`      // "sha256:" and base64 of the SHA-256 of the certificate's public key; several with commas between
	CAFile      string `toml:"ca_file"`          // PEM of the authorities that its certificate must come from; default the system's
	TokenFile   string `toml:"token_file"`       // of another host on this computer
	User        string `toml:"user"`             // as whom; empty: the local account's name
	KeyFile     string `toml:"key_file"`         // the one SSH key that proves it
	Certificate string `toml:"certificate_file"` // that is shown: PEM, with its key
}

// The agent's defaults.
const (
	DefaultLinger          = 60 * time.Second
	DefaultHeartbeat       = 10 * time.Second
	DefaultOpenTimeout     = 15 * time.Second
	DefaultClientExitGrace = 60 * time.Second
	DefaultBatchExit       = 10 * time.Minute
	DefaultRetainJobs      = 7 * 24 * time.Hour
)

// LoadClient reads config.toml; a missing file gives the defaults.
func (p Paths) LoadClient() (*Client, error) {
	c := &Client{}
	if err := load(p.ClientFile(), c); err != nil {
		return c, err
	}
	return c, c.check(p.ClientFile())
}

// check refuses what no key alone is wrong about.
func (c *Client) check(path string) error {
	for _, name := range slices.Sorted(maps.Keys(c.Computers)) {
		k := c.Computers[name]
		if k.User != "" && api.CheckUser(k.User) != nil {
			return fileError(path, fmt.Errorf("[computers.%s] user: %w", name, api.CheckUser(k.User)))
		}
		if k.SSH == "" {
			continue
		}
		if k.User != "" || k.KeyFile != "" || k.Certificate != "" {
			return fileError(path, fmt.Errorf("[computers.%s] has ssh beside user, key_file or certificate_file: write ssh = \"USER@HOST\"; a key stands in the ssh configuration", name))
		}
		if k.Address != "" || k.Fingerprint != "" || k.TokenFile != "" || k.CAFile != "" {
			return fileError(path, fmt.Errorf("[computers.%s] has ssh beside address, fingerprint, ca_file or token_file: a computer is reached in one way", name))
		}
		if _, err := api.ParseSSHHost(k.SSH); err != nil {
			return fileError(path, fmt.Errorf("[computers.%s] ssh: %w", name, err))
		}
	}
	return nil
}

package verbs

import (
	"cmp"
	"fmt"
	"time"

	"pss/remote/api"
)

// PSSession is a session as users and scripts see it. Its JSON is a contract
// (pss help about_JSON_Output): names, types and units never change, members
// are only added. Durations are milliseconds, times RFC 3339.
type PSSession struct {
	ID                  int        `json:"Id" table:"Id,right"`
	Name                string     `table:"Name"`
	InstanceID          string     `json:"InstanceId"`
	ComputerName        string     `table:"ComputerName"`
	ComputerType        string     // RemoteMachine
	Transport           string     // HTTPS or SSH
	ConnectionURI       string     `json:"ConnectionUri"` // of a computer that was named by it
	State               string     `table:"State"`
	ConfigurationName   string     `table:"ConfigurationName" wide:"-"`
	Availability        string     `table:"Availability,right"`
	CommandState        string     `wide:"CommandState"`
	ExitCode            *int       `wide:"ExitCode,right"` // of the newest command, once it has finished
	InputState          string     // of the newest command
	UnreadBytes         int64      // output that no client has acknowledged
	UnreadRecords       uint64     // records of it
	IdleTimeout         int64      // milliseconds; 0: never
	OutputBufferingMode string     // Block or Drop
	OutputBufferSize    int64      // bytes
	DisconnectedOn      *time.Time // null while connected
	ExpiresOn           *time.Time // null while connected
	HeldBy              string     // user of the client that is attached
	HeldFrom            string     // its computer
	HeldSince           *time.Time
	LastSeen            *time.Time // of the client that is attached
	Created             *time.Time
	Reason              string // of Broken and Closed
	Engine              string
	HostID              string `json:"HostId"`
	Version             string // of the session host
	EnableNetworkAccess bool   // it has its maker's credentials: connected from its own computer only

	// The wide table alone.
	Age    string `json:"-" wide:"Age,right"`
	Unread string `json:"-" wide:"Unread,right"`
	Holder string `json:"-" wide:"Holder"`

	Command string `wide:"Command"` // first 256 characters of the newest command
}

// newPSSession is the only mapping between wire and output.
func newPSSession(s *api.Session) PSSession {
	r := &s.Runspace
	o := PSSession{
		ID: s.ID, Name: r.Name, InstanceID: r.InstanceID, ComputerName: s.ComputerName, ConnectionURI: s.ConnectionURI,
		ComputerType: "RemoteMachine", Transport: cmp.Or(s.Transport, api.TransportHTTPS),
		State: string(s.State), ConfigurationName: r.ConfigurationName, Availability: string(s.Availability),
		CommandState: string(s.CommandState), InputState: string(api.InputNone), IdleTimeout: r.IdleTimeoutMs,
		OutputBufferingMode: string(r.OutputBufferingMode), OutputBufferSize: r.OutputBufferSize,
		DisconnectedOn: r.DisconnectedOn, ExpiresOn: r.ExpiresOn, Reason: r.Reason,
		Engine: r.Engine, HostID: r.HostID, Version: r.Version, EnableNetworkAccess: r.NetworkAccess,
	}
	if !r.Created.IsZero() {
		o.Created, o.Age = &r.Created, age(time.Since(r.Created))
	}
	if o.UnreadBytes, o.UnreadRecords = r.Unread(); o.UnreadBytes > 0 {
		o.Unread = size(o.UnreadBytes)
	}
	if n := len(r.Pipelines); n > 0 {
		p := &r.Pipelines[n-1]
		o.Command, o.InputState, o.ExitCode = p.Command, string(p.InputState), p.ExitCode
	}
	if a := r.Attached; a != nil {
		o.HeldBy, o.HeldFrom, o.HeldSince, o.LastSeen = a.Client.Principal, a.From, &a.Since, s.LastSeen
		if o.Holder = a.From; s.State == api.StateOpened {
			o.Holder = "here"
		}
		if o.LastSeen == nil {
			o.LastSeen = &a.Since // a session host's own answer does not tell
		}
	}
	return o
}

func newPSSessions(list []*api.Session) []PSSession {
	out := make([]PSSession, len(list))
	for i, s := range list {
		out[i] = newPSSession(s)
	}
	return out
}

// age is how long something has been, in its largest unit.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// size is a number of bytes for people.
func size(bytes int64) string {
	n, units := float64(bytes), []string{"B", "KB", "MB", "GB", "TB", "PB"}
	for i, unit := range units {
		switch {
		case i == 0 && n < 1000:
			return fmt.Sprintf("%d B", bytes)
		case i > 0 && n < 9.95:
			return fmt.Sprintf("%.1f %s", n, unit)
		case i > 0 && n < 1000 || i == len(units)-1:
			return fmt.Sprintf("%.0f %s", n, unit)
		}
		n /= 1024
	}
	return ""
}

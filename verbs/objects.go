package verbs

import (
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
	State               string     `table:"State"`
	ConfigurationName   string     `table:"ConfigurationName"`
	Availability        string     `table:"Availability,right"`
	CommandState        string     `wide:"CommandState"`
	ExitCode            *int       `wide:"ExitCode,right"` // of the newest command, once it has finished
	InputState          string     `wide:"InputState"`     // of the newest command
	UnreadBytes         int64      `wide:"UnreadBytes,right"`
	UnreadRecords       uint64     `wide:"UnreadRecords,right"` // records that no client has acknowledged
	IdleTimeout         int64      // milliseconds; 0: never
	OutputBufferingMode string     // Block or Drop
	OutputBufferSize    int64      // bytes
	DisconnectedOn      *time.Time // null while connected
	ExpiresOn           *time.Time // null while connected
	HeldBy              string     // user of the client that is attached
	HeldFrom            string     `wide:"HeldFrom"` // its computer
	HeldSince           *time.Time `wide:"HeldSince"`
	LastSeen            *time.Time `wide:"LastSeen"` // of the client that is attached
	Created             *time.Time `wide:"Created"`
	Reason              string     // of Broken and Closed
	Engine              string
	HostID              string `json:"HostId"`
	Version             string `wide:"Version"` // of the session host
	Command             string `wide:"Command"` // first 256 characters of the newest command
}

// newPSSession is the only mapping between wire and output.
func newPSSession(s *api.Session) PSSession {
	r := &s.Runspace
	o := PSSession{
		ID: s.ID, Name: r.Name, InstanceID: r.InstanceID, ComputerName: s.ComputerName,
		State: string(s.State), ConfigurationName: r.ConfigurationName, Availability: string(s.Availability),
		CommandState: string(s.CommandState), InputState: string(api.InputNone), IdleTimeout: r.IdleTimeoutMs,
		OutputBufferingMode: string(r.OutputBufferingMode), OutputBufferSize: r.OutputBufferSize,
		DisconnectedOn: r.DisconnectedOn, ExpiresOn: r.ExpiresOn, Reason: r.Reason,
		Engine: r.Engine, HostID: r.HostID, Version: r.Version,
	}
	if !r.Created.IsZero() {
		o.Created = &r.Created
	}
	o.UnreadBytes, o.UnreadRecords = r.Unread()
	if n := len(r.Pipelines); n > 0 {
		p := &r.Pipelines[n-1]
		o.Command, o.InputState, o.ExitCode = p.Command, string(p.InputState), p.ExitCode
	}
	if a := r.Attached; a != nil {
		o.HeldBy, o.HeldFrom, o.HeldSince, o.LastSeen = a.Client.Principal, a.From, &a.Since, s.LastSeen
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

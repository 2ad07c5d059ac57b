package api

// RunspaceState is PowerShell's word for what a session is to whoever asks.
type RunspaceState string

// The states that pss derives (PowerShell's RunspaceState).
const (
	StateOpened       RunspaceState = "Opened"
	StateDisconnected RunspaceState = "Disconnected"
	StateBroken       RunspaceState = "Broken"
	StateClosed       RunspaceState = "Closed"
)

// Availability is PowerShell's RunspaceAvailability.
type Availability string

// The availabilities that pss derives.
const (
	AvailabilityNone      Availability = "None"
	AvailabilityAvailable Availability = "Available"
	AvailabilityBusy      Availability = "Busy"
)

// CommandState tells what PowerShell cannot show: what the session's command does.
type CommandState string

// The command states.
const (
	CommandNone     CommandState = "None"
	CommandRunning  CommandState = "Running"
	CommandBlocked  CommandState = "Blocked"
	CommandDropping CommandState = "Dropping"
	CommandFinished CommandState = "Finished"
	CommandLost     CommandState = "Lost"
)

// InputState tells where the standard input of a pipeline stands.
type InputState string

// The input states. Interrupted: the client was lost before it sent end-of-file;
// the input stays open for a client that comes back.
const (
	InputNone        InputState = "None"
	InputOpen        InputState = "Open"
	InputClosed      InputState = "Closed"
	InputInterrupted InputState = "Interrupted"
)

// Life is the part of a session's facts that never depends on who asks.
type Life string

// The lives of a session.
const (
	LifeOpen   Life = "Open"
	LifeBroken Life = "Broken"
	LifeClosed Life = "Closed"
)

// View derives State and Availability of the session with these facts as asker
// sees it. reachable is false when the asker's process cannot ask the computer
// now: what was attached then reads as Disconnected, since silence is not death.
// This is the only place where State is made (DESIGN 3).
func View(facts *RunspaceInfo, asker ClientID, reachable bool) (RunspaceState, Availability) {
	switch facts.Life {
	case LifeBroken:
		return StateBroken, AvailabilityNone
	case LifeClosed:
		return StateClosed, AvailabilityNone
	}
	switch {
	case facts.Attached == nil || !reachable:
		return StateDisconnected, AvailabilityNone
	case facts.Attached.Client != asker:
		return StateDisconnected, AvailabilityBusy
	case facts.Running() != nil:
		return StateOpened, AvailabilityBusy
	default:
		return StateOpened, AvailabilityAvailable
	}
}

// CommandStateOf derives the CommandState from the facts.
func CommandStateOf(facts *RunspaceInfo) CommandState {
	if p := facts.Running(); p != nil {
		switch {
		case facts.Life == LifeBroken:
			return CommandLost
		case p.Blocked:
			return CommandBlocked
		case p.Dropping:
			return CommandDropping
		}
		return CommandRunning
	}
	for i := range facts.Pipelines {
		if facts.Pipelines[i].State == PipelineLost {
			return CommandLost
		}
	}
	for i := range facts.Pipelines {
		if facts.Pipelines[i].Unread() {
			return CommandFinished
		}
	}
	return CommandNone
}

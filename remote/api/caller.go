package api

// Caller is what a cmdlet tells the agent of the person behind it: an ssh that has to
// be started for the cmdlet runs in that environment, and may ask.
type Caller struct {
	ID   string            `json:",omitempty"` // of this run of a cmdlet; empty: nobody can be asked
	Env  map[string]string `json:",omitempty"` // of CallerVariables and CallerFiles
	Ask  bool              `json:",omitempty"` // there is a terminal
	Copy bool              `json:",omitempty"` // --copy-binary

	// What the person says of hosts that are reached by TLS.
	AcceptNew   bool   `json:",omitempty"` // --accept-new
	Fingerprint string `json:",omitempty"` // PSS_FINGERPRINT
	SkipCACheck bool   `json:",omitempty"` // of the session option
	SkipCNCheck bool   `json:",omitempty"`
}

// Notice is what the agent has to say of a request beside its answer, as a warning.
type Notice struct {
	ID     string
	Text   string
	Target string `json:",omitempty"`
}

// CallerVariables are the environment variables of a Caller: what ssh, and the programs
// that its configuration may name, need of a person's shell.
var CallerVariables = []string{
	"PATH", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSH_SK_PROVIDER", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE",
	"DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "KRB5CCNAME", "GNUPGHOME", "TERM",
	"LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES",
}

// ForwardedCredentials are those of CallerVariables that a session made with
// EnableNetworkAccess gets, so that its commands may go on to other computers as the
// person who made it.
var ForwardedCredentials = []string{"SSH_AUTH_SOCK", "KRB5CCNAME"}

// The variables of a Caller that name files with which somebody proves who they are.
const (
	VariableKeyFile      = "PSS_KEY_FILE"      // an SSH key
	VariablePasswordFile = "PSS_PASSWORD_FILE" // a password
)

// CallerFiles are the variables of a Caller that name files: absolute paths, because the
// agent stands elsewhere.
var CallerFiles = []string{VariableKeyFile, VariablePasswordFile}

// AskpassVariable tells the program that ssh starts to ask where it asks: a token, a
// colon, and the agent's socket.
const AskpassVariable = "PSS_ASKPASS"

// QuestionKind says how a question is answered.
type QuestionKind string

// The kinds of questions. A Notice is shown and not answered; it may go away by itself.
const (
	QuestionSecret  QuestionKind = "Secret"  // a line that is not shown while it is typed
	QuestionText    QuestionKind = "Text"    // a line
	QuestionConfirm QuestionKind = "Confirm" // yes or no
	QuestionNotice  QuestionKind = "Notice"
)

// Question is what the agent has to ask, or to say, on behalf of an ssh.
type Question struct {
	ID   string // empty: there is none at present
	Kind QuestionKind
	Text string
}

// Answer is what somebody answered.
type Answer struct {
	Text      string
	Cancelled bool `json:",omitempty"` // Ctrl-C, or the end of the terminal's input
}

// AskpassRequest is what the program asks that ssh started for it.
type AskpassRequest struct {
	Token  string // tells the ssh
	Prompt string
	Hint   string // SSH_ASKPASS_PROMPT: "confirm", "none" or empty
}

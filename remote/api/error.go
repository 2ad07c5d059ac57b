package api

import (
	"errors"
	"fmt"
	"net/http"
)

// Code is what a program decides on; the text of an error is for people.
type Code string

// The codes.
const (
	CodeUnreachable      Code = "Unreachable"
	CodeAccessDenied     Code = "AccessDenied"
	CodeBusy             Code = "SessionBusy"      // held by another client
	CodeStaleEpoch       Code = "StaleEpoch"       // the attachment was replaced
	CodeNotFound         Code = "SessionNotFound"  // no such session
	CodeLost             Code = "SessionLost"      // Broken, or gone
	CodePipelineNotFound Code = "PipelineNotFound" // no such pipeline
	CodeNoConfiguration  Code = "ConfigurationNotFound"
	CodeJobNotFound      Code = "JobNotFound"   // no such job in this client session
	CodeJobUnfinished    Code = "JobUnfinished" // what was asked for needs a finished job
	CodeTimedOut         Code = "TimedOut"
	CodeOutcomeUnknown   Code = "OutcomeUnknown"
	CodeInterrupted      Code = "Interrupted"
	CodeInvalidState     Code = "InvalidSessionState"
	CodeInvalidAvail     Code = "InvalidSessionAvailability"
	CodeInvalidArgument  Code = "InvalidArgument"
	CodeUsage            Code = "Usage"
	CodeConflict         Code = "Conflict" // the id exists with other contents
	CodeDiskFull         Code = "SpoolDiskFull"
	CodeEngine           Code = "EngineDamaged"
	CodeQuota            Code = "QuotaExceeded"
	CodeHome             Code = "HomeNotWritable"
	CodeAlreadyRunning   Code = "HostAlreadyRunning"
	CodeVersion          Code = "VersionMismatch"
	CodeTooLarge         Code = "RequestTooLarge"
	CodeLogout           Code = "SessionWouldNotSurviveLogout"
	CodeInternal         Code = "Internal"
)

// codeTable maps each code to its HTTP status, its exit code (DESIGN 6; 246 is
// "any other failure of ours") and PowerShell's error category.
var codeTable = map[Code]struct {
	status, exit int
	category     string
}{
	CodeUnreachable:      {http.StatusBadGateway, 240, "OpenError"},
	CodeAccessDenied:     {http.StatusForbidden, 241, "PermissionDenied"},
	CodeBusy:             {http.StatusConflict, 242, "InvalidOperation"},
	CodeStaleEpoch:       {http.StatusPreconditionFailed, 242, "InvalidOperation"},
	CodeNotFound:         {http.StatusNotFound, 243, "InvalidArgument"},
	CodeLost:             {http.StatusGone, 243, "InvalidOperation"},
	CodePipelineNotFound: {http.StatusNotFound, 243, "InvalidArgument"},
	CodeNoConfiguration:  {http.StatusNotFound, 246, "ObjectNotFound"},
	CodeJobNotFound:      {http.StatusNotFound, 246, "ObjectNotFound"},
	CodeJobUnfinished:    {http.StatusConflict, 246, "InvalidOperation"},
	CodeTimedOut:         {http.StatusGatewayTimeout, 244, "OperationTimeout"},
	CodeOutcomeUnknown:   {http.StatusBadGateway, 245, "OperationTimeout"},
	CodeInterrupted:      {499, 247, "OperationStopped"},
	CodeInvalidState:     {http.StatusConflict, 246, "InvalidOperation"},
	CodeInvalidAvail:     {http.StatusConflict, 242, "InvalidOperation"},
	CodeInvalidArgument:  {http.StatusBadRequest, 246, "InvalidArgument"},
	CodeUsage:            {http.StatusBadRequest, 246, "InvalidArgument"},
	CodeConflict:         {http.StatusConflict, 246, "InvalidOperation"},
	CodeDiskFull:         {http.StatusInsufficientStorage, 246, "ResourceUnavailable"},
	CodeEngine:           {http.StatusInternalServerError, 246, "InvalidOperation"},
	CodeQuota:            {http.StatusTooManyRequests, 246, "QuotaExceeded"},
	CodeHome:             {http.StatusForbidden, 246, "PermissionDenied"},
	CodeAlreadyRunning:   {http.StatusConflict, 246, "ResourceExists"},
	CodeVersion:          {http.StatusNotImplemented, 246, "NotImplemented"},
	CodeTooLarge:         {http.StatusRequestEntityTooLarge, 246, "InvalidArgument"},
	CodeLogout:           {http.StatusConflict, 246, "ResourceUnavailable"},
	CodeInternal:         {http.StatusInternalServerError, 246, "NotSpecified"},
}

// Error is an error as it crosses a wire and as it is shown: PowerShell's
// ErrorRecord, with what to do next kept apart from the message.
type Error struct {
	Code                  Code
	Message               string
	Category              string `json:",omitempty"`
	FullyQualifiedErrorID string `json:"FullyQualifiedErrorId"`
	RecommendedAction     string `json:",omitempty"`
	Target                string `json:",omitempty"` // computer, session, file
	Holder                string `json:",omitempty"` // of a busy session: who, since when, from where
}

// Errorf returns an Error with the code's own FullyQualifiedErrorId and category.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{
		Code: code, Message: fmt.Sprintf(format, args...),
		FullyQualifiedErrorID: string(code), Category: codeTable[code].category,
	}
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// WithID returns a copy of e with PowerShell's FullyQualifiedErrorId id.
func (e *Error) WithID(id string) *Error {
	c := *e
	c.FullyQualifiedErrorID = id
	return &c
}

// Hint returns a copy of e that says what to do next.
func (e *Error) Hint(format string, args ...any) *Error {
	c := *e
	c.RecommendedAction = fmt.Sprintf(format, args...)
	return &c
}

// On returns a copy of e that names its target.
func (e *Error) On(target string) *Error {
	c := *e
	c.Target = target
	return &c
}

// Status returns the HTTP status of e.
func (e *Error) Status() int {
	if t, ok := codeTable[e.Code]; ok {
		return t.status
	}
	return http.StatusInternalServerError
}

// ExitCode returns what invoke-command and receive-pssession exit with: 240 to 247.
func (e *Error) ExitCode() int {
	if t, ok := codeTable[e.Code]; ok {
		return t.exit
	}
	return 246
}

// AsError returns err as an *Error; anything else becomes CodeInternal.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return Errorf(CodeInternal, "%s", err.Error())
}

// IsCode reports whether err is an *Error with this code.
func IsCode(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

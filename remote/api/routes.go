package api

import "net/url"

// Every path, header and media type of the protocol, written once. A {session}
// is an InstanceId; the agent also takes an Id of the asker's client session.
const (
	RouteVersion   = "/v1/version"
	RouteHeartbeat = "/v1/heartbeat"
	RouteQuestions = "/v1/questions/{caller}"            // of the agent: what ssh asks on behalf of a cmdlet
	RouteAnswer    = "/v1/questions/{caller}/{question}" // and what is answered
	RouteAskpass   = "/v1/askpass"                       // of the agent, for the program that ssh starts to ask
	RouteKnown     = "/v1/known"                         // of the agent
	RouteTest      = "/v1/test"                          // of the agent: the ways to one computer
	RouteKeys      = "/v1/keys"                          // of the agent: those of hosts that it remembers
	RouteSessions  = "/v1/sessions"
	RouteSession   = "/v1/sessions/{session}"
	RouteAttach    = "/v1/sessions/{session}/attach"
	RouteDetach    = "/v1/sessions/{session}/detach"
	RouteStream    = "/v1/sessions/{session}/stream"
	RoutePipeline  = "/v1/sessions/{session}/pipelines/{pipeline}"
	RouteRecords   = "/v1/sessions/{session}/pipelines/{pipeline}/records"
	RouteAck       = "/v1/sessions/{session}/pipelines/{pipeline}/ack"
	RouteRoom      = "/v1/sessions/{session}/room" // host to session host
	RouteSignal    = "/v1/sessions/{session}/pipelines/{pipeline}/signal"

	// A {configuration} is a session configuration's name, in any case.
	RouteConfigurations = "/v1/configurations"
	RouteConfiguration  = "/v1/configurations/{configuration}"

	// Of the host, for whoever is nobody yet.
	RouteChallenge = "/v1/auth/challenge"
	RouteProof     = "/v1/auth/proof"
	RoutePassword  = "/v1/auth/password"
	RouteLeave     = "/v1/auth/leave" // for whoever is somebody: ends the enrolment of the TLS key that asks

	RouteCopies = "/v1/copies" // of pss, which an ssh left on the computer

	RouteJobs       = "/v1/jobs" // these are the agent's: a job is its own Id, or its or a child's InstanceId
	RouteJob        = "/v1/jobs/{job}"
	RouteJobStop    = "/v1/jobs/{job}/stop"
	RouteJobConnect = "/v1/jobs/{job}/connect"
	RouteJobStream  = "/v1/jobs/{job}/stream"

	// UpgradeProtocol is what an attachment's connection switches to.
	UpgradeProtocol = "pss-frames/1"

	HeaderVersion       = "Pss-Version"        // of the build, on every reply
	HeaderClient        = "Pss-Client"         // ClientID.ID, agent to host
	HeaderPrincipal     = "Pss-Principal"      // set by the host for the session host only
	HeaderClientSession = "Pss-Client-Session" // PSS_CLIENT_SESSION, cmdlet to agent
	HeaderCaller        = "Pss-Caller"         // JSON of a Caller, cmdlet to agent
	HeaderNotice        = "Pss-Notice"         // JSON of a Notice, agent to cmdlet; repeated
	HeaderFingerprints  = "Pss-Fingerprints"   // of a host whose key changes: all that it has, with commas; to those it knows
	HeaderRequestID     = "Pss-Request-Id"
	HeaderComputer      = "Pss-Computer" // of an attachment, agent to cmdlet: its session's computer, as typed
	HeaderSession       = "Pss-Session"  // and InstanceId

	TypeJSON   = "application/json"
	TypeNDJSON = "application/x-ndjson"
	TypeFrames = "application/vnd.pss.frames"
	TypeText   = "text/plain"

	QueryComputer = "computer" // of GET sessions at the agent, repeated; of GET test
	QueryAll      = "all"      // of GET sessions at the agent: every computer that the user has used
	QueryThrottle = "throttle" // how many of them are asked at once
	QueryForce    = "force"
	QueryForget   = "forget" // of DELETE session at the agent: its computer, which does not answer, is not asked
	QueryEpoch    = "epoch"
	QueryAfter    = "after"
	QueryWait     = "wait"
)

// QuestionsPath returns where a cmdlet is asked.
func QuestionsPath(caller string) string { return "/v1/questions/" + url.PathEscape(caller) }

// SessionPath returns the path of one session, below it suffix ("/attach").
func SessionPath(session, suffix string) string {
	return RouteSessions + "/" + url.PathEscape(session) + suffix
}

// PipelinePath returns the path of one pipeline, below it suffix ("/ack").
func PipelinePath(session, pipeline, suffix string) string {
	return SessionPath(session, "/pipelines/"+url.PathEscape(pipeline)+suffix)
}

// ConfigurationPath returns the path of one session configuration.
func ConfigurationPath(name string) string {
	return RouteConfigurations + "/" + url.PathEscape(name)
}

// JobPath returns the path of one job, below it suffix ("/stop").
func JobPath(job, suffix string) string {
	return RouteJobs + "/" + url.PathEscape(job) + suffix
}

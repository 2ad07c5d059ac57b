// Package host is the daemon: the endpoint of a computer. It authenticates,
// starts session hosts, lists what they keep on disk and forwards everything
// else to them.
//
// It holds no truth about a session. What a session is stands in its folder and
// in its session host; whether that lives is told by its lock. So a host may be
// killed at any moment: the next one reads the folders and goes on. The only
// thing that it keeps in memory alone are the leases, and those start afresh.
//
// What the commands of a session whose process was killed left running is ended
// here, when a look at its folder finds its lock free: nobody else is there to do it.
//
// Whoever may ask is bounded (quota.go): sessions, and unread output of all of them.
// What is made, connected and removed, and what was refused, stands in the audit log.
//
// # Threats
//
// What is worth something here, who could take it how, what stands against that, and the
// test that fails without it. TestThreatTable reads the table: every row names tests or
// scripts that exist.
//
//	Asset           | Threat                                           | Defence                                              | Test
//	the host        | connections of strangers pile up                 | gate: limits, the oldest of the busiest address goes | TestStrangersCannotPileUp
//	the host        | slow heads and bodies of requests                | times for handshake, head, body and login            | TestStrangersCannotPileUp, script host/abuse
//	the host        | a client asks for much and takes nothing         | a time for each piece of an answer                   | TestWhoDoesNotReadIsCut
//	the host        | large bodies and many requests at once           | limits by user, route and in bytes                   | TestRequestsUnderWayAreBounded
//	the host        | input that no client of ours sends               | decoders that fuzzing and a corpus know              | TestBadInputCorpus, FuzzHandler, FuzzFrame, FuzzProof, FuzzOwnerLine
//	the disk        | refusals of a stranger fill the audit log        | lines by address and minute, rotation                | TestRefusalsAreBounded, TestAuditRotates, script host/audit
//	the disk        | sessions and output without end                  | max_sessions, max_spool_bytes                        | script host/reload
//	the audit       | it is full, torn, moved or cannot be written     | whole lines, counted errors, audit_required          | TestAuditOnAFullDisk, TestAuditRequired, TestAuditFileIsTheOneOfItsName
//	the audit       | a name that looks like a line or a field         | JSON of one line, texts cut                          | FuzzAuditLine
//	secrets         | scripts and variables in logs                    | they are never written there                         | script host/audit
//	files           | a path of a request leads out of its folder      | sessions are found in a map, names are checked       | TestBadInputCorpus, script host/abuse
//	a session       | a page in the user's browser asks for it         | Origin, Sec-Fetch-*, form types are refused          | script host/wsman
//	a terminal      | escapes in names, listings, errors               | refused by the host, neutralised by the cmdlets      | script host/hostile
//	the numbers     | strangers, or a page, read the metrics           | loopback alone, Host and Origin checked              | script host/metrics
//	a session       | a reload with a broken file opens the host       | such a file changes nothing                          | script host/reload
//	connection      | replayed or relayed proof, another TLS key       | single-use nonce, keying material, TLS key signed    | TestProofIsGoodOnceAndHere, TestRelayedProofIsWorthless
//	an account      | locked, expired, nologin, root, numeric names    | OpenSSH's rules                                      | TestRulesOfOpenSSH, TestShadow, TestListsOfUsers
//	an account      | denied while its user is let in                  | looked at each minute, and after SIGHUP              | TestReloadOfWhoIsLetIn, TestEnrolmentEnds
//	an account      | a key or password that was taken back            | with each account, once a minute                     | TestWhatIsTakenBack
//	keys            | authorized_keys: of others, a link, options      | StrictModes, read as the user, key refused           | TestKeyFileOfOthersIsNotRead, TestKeysOfALinkToRootsFile, TestOptionsOfAKey
//	passwords       | guessing, memory for hashes                      | argon2id, two at once, rate limits                   | TestAttemptsAreLimited, TestPasswords
//	who exists      | wording and timing of a refusal                  | one answer at a fixed moment                         | TestFailuresAreTheSame
//	token, commands | somebody in the middle                           | nothing is sent before the key is judged             | script trust/between
//	a pin           | accept-new, skips or a question replace it       | what is added never replaces                         | script trust/changed-key, TestPins
//	a pin           | a certificate shown without its key              | pinned after the key was proved                      | TestKeyIsRememberedOnlyWhenProved
//	a pin           | keys announced by somebody else                  | the key shown is among them; bounded                 | TestAnnouncedKeys
//	connection      | of a cmdlet that skips checks, used by another   | kept by how it was trusted                           | script trust/authorities
//	a session       | TLS 1.2, or a former key resumed                 | 1.3 only, a configuration for each key               | TestTLSOfBothSides
//	credentials     | a session with the maker's agent, from elsewhere | connected from its own computer alone                | script scenarios/80-network-access
//	a session       | another user lists, guesses or takes it          | the front asks who asks' own host alone              | TestKeeperOf, TestLyingHostLiesToItsUser
//	a session       | one of run-as is had by whom nobody named        | each use is looked up in the configuration           | TestMayShare, TestLocalhostHandOver
//	a session       | the daemon or a worker is killed                 | they hold nothing of it                              | TestLocalhostStreamsOn, TestLocalhostIsTheDaemon
//	root            | a worker has more rights than its user           | it becomes the user before it reads anything         | TestLocalhostHandOver
//	the host        | a user's own host sends without end              | bounds on heads and replies, a share of memory       | TestLyingHostIsBounded, TestLyingHostHasItsShare, TestReplyTakesRoom
//	the host        | a user's own host says nothing                   | it holds up its user alone                           | TestSilentHostHoldsUpItsUserAlone
//	its keys        | a user's own host announces keys                 | no header of it is passed on                         | TestLyingHostLiesToItsUser
//	the registry    | garbage in it, sessions that ended unsaid        | it is skipped and logged; lists are compared         | TestRegistryIsRead, TestRegistryForgetsWhatEnded
//	the disk        | a user deletes state or raises own limits        | the registry is root's, and counts                   | TestLimitsOfTheDaemonHold
//	processes       | one user's take all that the computer has        | a slice with TasksMax for each user                  | TestScopeCommand, TestLimitOfASlice, TestUserGroupByHand
//	the socket      | somebody poses as the daemon                     | host.json and the socket's owner must be root's      | TestSystemInfoIsRoots, TestDaemonIsGreeted
//	the socket      | a local user speaks for another                  | the kernel says who connects                         | TestUsersSpeakForThemselves
//	credentials     | they are used from another computer              | who came how is part of the connection               | TestLocalhostNetworkAccess
package host

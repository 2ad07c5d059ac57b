// Package install makes the host daemon a service of the computer, and takes it away
// again: it is what Enable-PSRemoting and Disable-PSRemoting do.
//
// Root installs the daemon that serves all users (config.System); everybody else a
// service of their own, which serves that user only. The service manager is systemd, or
// OpenRC for root. Each step looks first at what is there, so that a second call repairs,
// and changes nothing where nothing is wrong.
//
// No step touches a session. They are processes of their own, which the manager is told
// to leave alone (KillMode=process), and the daemon holds nothing of them: it is stopped,
// replaced and started again while they run.
//
// The unit takes nothing away from the service by namespaces, filters of system calls or
// capabilities, because whatever the daemon starts would inherit that: in a session
// everything must work that works in a login, sudo and mount included.
package install

//go:build linux

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// firstGroup is the number of the first group that has a name of its own.
const firstGroup = 3001

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// accountFiles are the user database of a computer, which knows no other source. None
// has a password; nobody's shell reads a file of the machine.
func accountFiles(users []Account, groups map[string][]string) map[string]string {
	passwd := strings.Builder{}
	passwd.WriteString("root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")
	shadow := strings.Builder{}
	shadow.WriteString("root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n")
	group := strings.Builder{}
	group.WriteString("root:x:0:\ntty:x:5:\nnogroup:x:65534:\n")
	for _, u := range users {
		fmt.Fprintf(&passwd, "%s:x:%d:%d::%s:%s\n", u.Name, u.UID, u.GID, u.Home, u.Shell)
		fmt.Fprintf(&shadow, "%s:*:19000:0:99999:7:::\n", u.Name)
		fmt.Fprintf(&group, "%s:x:%d:\n", u.Name, u.GID)
	}
	for i, name := range sortedKeys(groups) {
		fmt.Fprintf(&group, "%s:x:%d:%s\n", name, firstGroup+i, strings.Join(groups[name], ","))
	}
	return map[string]string{
		"/etc/passwd": passwd.String(), "/etc/shadow": shadow.String(), "/etc/group": group.String(),
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
		"/etc/hosts":         "127.0.0.1 localhost\n",
		"/etc/shells":        "/bin/sh\n/bin/bash\n",
		"/etc/login.defs":    "UMASK 022\nENV_PATH PATH=/usr/local/bin:/usr/bin:/bin\nENV_SUPATH PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
	}
}

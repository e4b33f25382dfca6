// The user of Whiteline, made once, on the machine of the server, by an administrator:
//
//     mongosh --tls --tlsCAFile /etc/mongodb/ca.pem --tlsAllowInvalidHostnames --username admin create-users.js
//
// It asks for the passwords of the new users. The first may read and write three databases and nothing else: spectra and
// campaigns, the jobs of jobflow-remote, those of FireWorks.

const password = passwordPrompt();
const databases = ["whiteline", "whiteline_jobflow", "whiteline_fireworks"];

db.getSiblingDB("whiteline").createUser({
  user: "whiteline",
  pwd: password,
  roles: databases.map((name) => ({ role: "readWrite", db: name })),
});

// One that only looks, for people: queries, plots, exports.
db.getSiblingDB("whiteline").createUser({
  user: "reader",
  pwd: passwordPrompt(),
  roles: [{ role: "read", db: "whiteline" }],
});

// One that only saves, for backup.sh.
db.getSiblingDB("admin").createUser({ user: "backup", pwd: passwordPrompt(), roles: ["backup"] });

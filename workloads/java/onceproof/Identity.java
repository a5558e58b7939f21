package onceproof;

/** Who a process is, as in the history. */
final class Identity {
    final String name;
    final String role;
    final String family;
    final String version;
    /** Consumer group, or null. */
    final String group;
    /** Which records its polls return, or null where it does not say. */
    final String isolation;

    Identity(String name, String role, String family, String version, String group, String isolation) {
        this.name = name;
        this.role = role;
        this.family = family;
        this.version = version;
        this.group = group;
        this.isolation = isolation;
    }

    static Identity read(Fields fields) throws Json.Malformed {
        Identity identity = new Identity(
                fields.text("name"),
                fields.text("role"),
                fields.text("family"),
                fields.text("version"),
                fields.textOr("group", null),
                fields.textOr("isolation", null));
        fields.end();
        return identity;
    }

    Identity withVersion(String version) {
        return new Identity(name, role, family, version, group, isolation);
    }

    /** Its fields as JSON, without brackets. */
    StringBuilder fields(StringBuilder out) {
        Json.string(out.append("\"name\":"), name);
        Json.string(out.append(",\"role\":"), role);
        Json.string(out.append(",\"family\":"), family);
        Json.string(out.append(",\"version\":"), version);
        out.append(",\"group\":");
        if (group == null) {
            out.append("null");
        } else {
            Json.string(out, group);
        }
        if (isolation != null) {
            Json.string(out.append(",\"isolation\":"), isolation);
        }
        return out;
    }
}

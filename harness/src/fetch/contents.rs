//! What a fetched version consists of: the list that makes its folder complete.
//!
//! One line per jar: XXH3 hash (128 bits), size in bytes, name. It guards against truncated files and
//! careless hands, not against an attacker; Maven has verified the registry's checksums before.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3Default;

const LIST: &str = "contents";

/// Writes the list of `<folder>/libs/*`, and all of it to disk.
pub(super) fn write(folder: &Path) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.join("libs"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let mut text = String::new();
    for name in names {
        let path = folder.join("libs").join(&name);
        let (hash, size) = hash(&path)?;
        File::open(&path)?.sync_all()?;
        text.push_str(&format!("{hash:032x} {size} {name}\n"));
    }
    let mut list = File::create(folder.join(LIST))?;
    list.write_all(text.as_bytes())?;
    list.sync_all()
}

/// Whether the folder has a list and every file matches it.
pub(super) fn matches(folder: &Path) -> io::Result<bool> {
    let text = match fs::read_to_string(folder.join(LIST)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut files = 0;
    for line in text.lines() {
        let mut parts = line.splitn(3, ' ');
        let (Some(listed_hash), Some(listed_size), Some(name)) = (parts.next(), parts.next(), parts.next())
        else {
            return Ok(false);
        };
        let (hash, size) = match hash(&folder.join("libs").join(name)) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if format!("{hash:032x}") != listed_hash || size.to_string() != listed_size {
            return Ok(false);
        }
        files += 1;
    }
    Ok(files > 0)
}

fn hash(path: &Path) -> io::Result<(u128, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = Xxh3Default::new();
    let mut buffer = vec![0; 1 << 18];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hasher.digest128(), size));
        }
        hasher.update(&buffer[..read]);
        size += u64::try_from(read).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_its_list_or_with_a_changed_jar_is_not_complete() {
        let folder = tempfile::tempdir().unwrap();
        let jar = folder.path().join("libs/a.jar");
        fs::create_dir(folder.path().join("libs")).unwrap();
        fs::write(&jar, b"content").unwrap();
        assert!(!matches(folder.path()).unwrap(), "no list");
        write(folder.path()).unwrap();
        assert!(matches(folder.path()).unwrap());
        fs::write(&jar, b"contenT").unwrap();
        assert!(!matches(folder.path()).unwrap(), "another byte");
        fs::remove_file(&jar).unwrap();
        assert!(!matches(folder.path()).unwrap(), "no jar");
    }
}

//! What to do about each error.

use super::SopsError;

impl SopsError {
    /// What to do about it where the text is a person's own, which git need not have.
    pub fn text_hint(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "mend that line",
            Self::NotMap => "let it begin with a key, such as `password: ...`",
            Self::DuplicateKey { .. } => "keep one of the two",
            Self::NonStringKey { .. } => "put the key in quotes",
            _ => self.hint(),
        }
    }

    /// What to do about it, for the line after the message.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Syntax { .. }
            | Self::NotMap
            | Self::MetadataMissing { .. }
            | Self::MetadataDamaged { .. }
            | Self::Damaged { .. }
            | Self::StanzaDamaged { .. }
            | Self::DuplicateKey { .. }
            | Self::NonStringKey { .. } => {
                "restore the file from git; the last commit before the damage has it whole"
            }
            Self::NoDocument => "put at least one `key: value` into it",
            Self::Documents { .. } => "keep it in YAML, or make a file of each document",
            Self::NotBinary => "name the store that it is of, with `--input-type` or `--output-type`",
            Self::NotText { .. } => {
                "seal it as a binary file: with `--input-type binary`, or a name that ends in `.bin`"
            }
            Self::TooDeep { .. } => "nest it less, or seal it as a binary file",
            Self::TooLarge | Self::LongPath { .. } => "split the file",
            Self::MergeConflict { .. } => {
                "finish the merge: take one side of the file whole, then repeat the other change"
            }
            Self::NotSealed => {
                "restore the file from git; if it is plaintext that was committed, replace the secrets in it"
            }
            Self::Yaml { remedy, .. } => remedy,
            Self::LosesDigits { .. } => "put it in quotes",
            Self::UnclearComment { .. } => "put the value in backquotes, or a blank before the comment",
            Self::LostComment { .. } => "put it above a key",
            Self::CannotHold { .. } => "keep it in YAML, or write it another way",
            Self::CannotKeep { .. } => "take that out of the file with `sops`, then run this again",
            Self::NotEncrypted { .. } => {
                "take the value for known if it was committed, and seal a new one; then restore the file from git"
            }
            Self::NoIdentity { .. } => {
                "use the identity of one of its recipients, or have one of them add you"
            }
            Self::MacMismatch => "restore the file from git, or take one side of the merge whole",
            Self::NotFlat { .. } => "keep nested values in a file of their own",
            Self::NoRecipients => "name at least one recipient",
            Self::Threshold { .. } => "let `shamir_threshold` be at least 2 and at most the number of groups",
            Self::AlreadySealed => {
                "open it with `secrets edit`; if the section is your own, give it another name"
            }
            Self::CommentFound => "anchor the expression, such as `^ sops:enc`",
            Self::NoSuchPath { .. } => "look at its keys with `secrets view`",
            Self::Reserved { .. } => "give the value another name",
            Self::RecipientLeft { .. } => "seal the file anew with a new data key",
            Self::DuplicateEntry { .. } | Self::ReservedKey { .. } | Self::ClearKey { .. } => {
                "give it another name"
            }
            Self::BadTime { .. } => "give the time in UTC with seconds and a `Z`",
            Self::Wrap { cause, .. } => cause.of_recipient().1,
            Self::Random => "look at the system's random generator",
        }
    }
}
